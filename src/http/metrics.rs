//! `GET /metrics`, on a separate listener and thread. It responds even while the API is overloaded, and only clients
//! that can reach its address can read the metrics.

use std::cell::Cell;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_rt::net::TcpStream;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::{App, HttpRequest, HttpResponse, web};

use super::short_stream::{Bounds, ShortStream};
use crate::metrics::Metrics;

/// The maximum number of open connections. Beyond it, a scrape waits until the oldest ones end.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection lasts, and how many bytes of requests it takes. It serves one request, so clients that send or
/// read nothing soon make room for others, before Prometheus gives a scrape up.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 4096 };
/// How long a client may take to close its side after the reply.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns a server for the metrics. It must be polled, in a running actix system.
///
/// # Errors
/// Returns the operating system's error.
pub(crate) fn server(listener: TcpListener, metrics: &Metrics) -> std::io::Result<Server> {
    let metrics = web::Data::new(metrics.clone());
    let builder = Server::build().workers(1).max_concurrent_connections(MAX_CONNECTIONS).disable_signals();
    let builder = builder.listen("metrics", listener, move || {
        let application =
            App::new().app_data(metrics.clone()).service(web::resource("/metrics").route(web::get().to(show)));
        let http = HttpService::build()
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(BOUNDS.time)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .on_connect_ext(|_: &ShortStream<TcpStream>, data: &mut Extensions| {
                data.insert(Served(Cell::new(false)));
            })
            .h1(map_config(application, |()| AppConfig::default()));
        fn_service(async |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            Ok::<_, DispatchError>((ShortStream::new(stream, BOUNDS), peer))
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}

/// Whether a connection got the metrics. Without keep-alive, the framework still replies to requests that were sent at
/// once.
struct Served(Cell<bool>);

async fn show(request: HttpRequest, metrics: web::Data<Metrics>) -> HttpResponse {
    if request.conn_data::<Served>().is_some_and(|served| served.0.replace(true)) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    match metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(TEXT_FORMAT).body(text),
        Err(error) => {
            log::error!("could not format the metrics: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
