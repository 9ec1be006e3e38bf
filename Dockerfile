# docker build -t clientele .
# docker run -p 127.0.0.1:8080:8080 -v clientele-data:/var/lib/clientele clientele

FROM rust:1-bookworm AS build
WORKDIR /source
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY . .
# With TLS, because a database in another container or at a provider is reached over a network.
RUN cargo build --locked --release --features postgres-tls

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin clientele \
    && install -d -o clientele -g clientele -m 0700 /var/lib/clientele
COPY --from=build /source/target/release/clientele /usr/local/bin/clientele
COPY --from=build /source/config/production.toml /etc/clientele/production.toml
COPY --from=build /source/LICENSE /source/NOTICE /usr/share/doc/clientele/

USER clientele
# SQLite and the signing secret live in data/ below this folder, unless configured otherwise.
WORKDIR /var/lib/clientele
VOLUME /var/lib/clientele
# In a container, the loopback address would be out of everybody's reach.
ENV CLIENTELE__SERVER__BIND=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["clientele"]
CMD ["serve"]
