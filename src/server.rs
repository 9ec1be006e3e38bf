//! Listens, serves and stops, for the `serve` command and for tests.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request};
use actix_rt::net::TcpStream;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions, Server, ServerHandle, ServiceResponse};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web;
use socket2::{Domain, Socket, Type};

use crate::app::App;
use crate::db::{Database, DbConnection, DbResult};
use crate::history;
use crate::http::respond::respond;
use crate::http::{Deadlines, Stop, Throttle, Timeouts, cors, finish_cors, metrics};
use crate::mail::Mailer;
use crate::metrics::{Sessions, UNMATCHED};
use crate::outbox::{Delivery, Parts};
use crate::prepare::{Missing, StartError, prepare};
use crate::recovery::links;
use crate::sessions::{self, Lifetimes};
use crate::settings::{Origin, Settings};
use crate::{router, threads};

/// How long a client may take to read the rest of a connection that closes.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long before the shutdown time-out the requests in flight get 503.
const REPLY_TIME: Duration = Duration::from_secs(1);
/// How long the server stops accepting before it stops. actix-server counts a connection shortly after a worker got it,
/// and a worker without counted connections ends at once. The pause lets it count all of them.
const PAUSE: Duration = Duration::from_millis(100);

/// A started service. Its threads end when it is dropped.
pub struct Running {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The database.
    pub database: Database,
    /// Where it listens for `GET /metrics`, if anywhere.
    pub metrics_address: Option<SocketAddr>,
    server: Server,
    metrics: Option<ServerHandle>,
    stopper: Stopper,
    _delivery: Option<Delivery>,
    /// Held so that its threads end when this is dropped, and not with the last connection.
    _app: web::Data<App>,
}

impl Running {
    /// Returns a handle that stops the service at once.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Returns a handle that stops the service like a signal.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until stopped.
    ///
    /// # Errors
    /// The operating system cannot accept connections.
    pub async fn serve(&mut self) -> std::io::Result<()> {
        let served = (&mut self.server).await;
        if let Some(metrics) = self.metrics.take() {
            metrics.stop(false).await;
        }
        served
    }
}

/// Stops a service gracefully.
#[derive(Clone)]
pub struct Stopper {
    handle: ServerHandle,
    stop: Arc<Stop>,
    shutdown_timeout: Duration,
}

impl Stopper {
    /// Accepts no more connections and finishes the requests in flight. Those that are not finished shortly before
    /// `server.shutdown_timeout_seconds` have passed get 503.
    pub async fn stop(&self) {
        let time = self.shutdown_timeout - REPLY_TIME.min(self.shutdown_timeout / 4);
        self.stop.at(Instant::now() + time);
        if actix_rt::time::timeout(PAUSE, self.handle.pause()).await.is_err() {
            log::debug!("the server is slow to pause");
        }
        actix_rt::time::sleep(PAUSE).await;
        drop(self.handle.stop(true));
    }
}

/// Checks the database, applies migrations if configured, binds the address and starts the service. Must be called in
/// an actix system.
///
/// # Errors
/// One line that names what is wrong.
pub fn start(settings: &Settings) -> Result<Running, StartError> {
    let mut prepared = prepare(settings, Missing::Make)?;
    let mailer = prepared.mailer.take();
    let listener = listen(settings.server.bind)?;
    let metrics_listener = settings.metrics.bind.map(|address| listen(address).map_err(of_metrics)).transpose()?;
    let address = local_address(&listener)?;
    let metrics_address = metrics_listener.as_ref().map(local_address).transpose()?;
    let app = web::Data::new(App::start(settings, prepared)?);
    let (database, counted) = (app.database.clone(), app.metrics.sessions.clone());
    let delivery = mailer.map(|mailer| deliver(settings, &app, mailer, address)).transpose()?;
    if delivery.is_none() {
        log::info!("no mail is sent (mail.transport = \"none\"), so a forgotten password cannot be recovered");
    }
    let kept = settings.history.days;
    actix_rt::spawn(clean_up(database.clone(), Arc::clone(&app.throttle), app.lifetimes, counted, kept));
    let stop = Arc::<Stop>::default();
    let failed = |error: std::io::Error| StartError::Failed(format!("could not start: {error}"));
    let server = http_server(settings, app.clone(), listener, Arc::clone(&stop)).map_err(failed)?;
    let metrics_server = metrics_listener.map(|listener| metrics::server(listener, &app.metrics));
    let metrics = metrics_server.transpose().map_err(failed)?.map(|server| {
        let handle = server.handle();
        actix_rt::spawn(server);
        handle
    });
    let shutdown_timeout = Duration::from_secs(settings.server.shutdown_timeout_seconds);
    let stopper = Stopper { handle: server.handle(), stop, shutdown_timeout };
    Ok(Running { address, database, metrics_address, server, metrics, stopper, _delivery: delivery, _app: app })
}

/// Starts the delivery of mails. Their links lead to the address on which the service listens, if the settings name no
/// URL.
fn deliver(settings: &Settings, app: &App, mailer: Mailer, address: SocketAddr) -> Result<Delivery, StartError> {
    log::info!("mails go to {}", mailer.destination());
    let parts = Parts {
        database: app.database.clone(),
        mailer,
        tokens: app.link_tokens.clone(),
        links: settings.links(address),
        retry: Duration::from_secs(settings.mail.retry_seconds),
        metrics: app.metrics.mails.clone(),
    };
    Delivery::start(parts).map_err(|error| StartError::Failed(format!("could not start: {error}")))
}

/// How often [`clean_up`] runs.
const CLEAN_UP_INTERVAL: Duration = Duration::from_secs(60);

/// Periodically deletes sessions and links that have ended, old rows of the history, and throttle buckets that are full
/// again.
async fn clean_up(
    database: Database,
    throttle: Arc<Throttle>,
    lifetimes: Lifetimes,
    counted: Sessions,
    kept_days: u32,
) {
    let mut rounds = actix_rt::time::interval(CLEAN_UP_INTERVAL);
    loop {
        rounds.tick().await;
        throttle.forget_idle();
        delete_all(&database, "links whose time is over", links::sweep).await;
        delete_all(&database, "old rows of the history", move |connection| history::sweep(connection, kept_days)).await;
        let ended = move |connection: &mut DbConnection| sessions::sweep(connection, lifetimes.idle);
        counted.expired.inc_by(delete_all(&database, "ended sessions", ended).await as u64);
    }
}

/// Deletes rows by `sweep`, which deletes a bounded number at a time so that requests do not wait for long. Returns how
/// many.
async fn delete_all<W>(database: &Database, what: &str, sweep: W) -> usize
where
    W: Fn(&mut DbConnection) -> DbResult<usize> + Copy + Send + 'static,
{
    let mut deleted = 0;
    loop {
        match database.write(None, sweep).await {
            Ok(0) => break,
            Ok(swept) => deleted += swept,
            Err(error) => {
                log::warn!("{what} could not be deleted: {error}");
                break;
            }
        }
    }
    if deleted > 0 {
        log::debug!("deleted {deleted} {what}");
    }
    deleted
}

/// The most connections that wait to be accepted; the kernel may allow fewer (`net.core.somaxconn`). The kernel ignores
/// further clients, and they try again after a second. With the standard library's 128, bursts would cause such waits.
const BACKLOG: i32 = 4096;

/// Says which of the two listeners it was.
fn of_metrics(error: StartError) -> StartError {
    StartError::Failed(format!("metrics.bind: {error}"))
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Failed(error.to_string()))
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Otherwise a restart could not bind until the kernel has forgotten the old connections.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    bind().map_err(|error: std::io::Error| StartError::Failed(format!("cannot listen on {address}: {error}")))
}

fn http_server(
    settings: &Settings,
    app: web::Data<App>,
    listener: TcpListener,
    stop: Arc<Stop>,
) -> std::io::Result<Server> {
    let server = &settings.server;
    // Leaves one core to the database's threads. On two cores under overload, two workers that refuse requests would
    // take the processor time that is needed to serve the others.
    let workers = match server.workers {
        0 => (threads::cores() - 1).max(1),
        given => given,
    };
    let builder = Server::build()
        .workers(workers)
        .disable_signals()
        .max_concurrent_connections(server.max_connections.div_ceil(workers))
        .shutdown_timeout(server.shutdown_timeout_seconds);
    let keep_alive = Duration::from_secs(server.keep_alive_seconds);
    let timeouts = Timeouts {
        head: Duration::from_secs(server.head_timeout_seconds),
        body: Duration::from_secs(server.body_timeout_seconds),
    };
    let stopping = builder.graceful_shutdown_signal();
    let cors_origins = server.cors_origins.clone();
    let metrics = app.metrics.http.clone();
    let incomplete = metrics.route(UNMATCHED);
    // Does what `HttpServer` does, but with our own stream and with HTTP/1 only.
    let builder = builder.listen("clientele", listener, move || {
        let stopping = stopping.clone();
        let http = HttpService::build()
            .keep_alive(keep_alive)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|stream: &Deadlines<TcpStream>, data: &mut Extensions| {
                data.insert(Rc::clone(stream.connection()));
            })
            .h1(map_config(application(app.clone(), cors_origins.clone()), |()| AppConfig::default()));
        let (stop, metrics, incomplete) = (Arc::clone(&stop), metrics.clone(), incomplete.clone());
        fn_service(move |stream: TcpStream| {
            let (stop, route, counted) = (Arc::clone(&stop), incomplete.clone(), metrics.connection());
            async move {
                stream.set_nodelay(true)?;
                let peer = stream.peer_addr().ok();
                Ok::<_, DispatchError>((Deadlines::new(stream, timeouts, stop, route, counted), peer))
            }
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}

/// Builds the application: state, routes and middleware.
fn application(
    app: web::Data<App>,
    cors_origins: Vec<Origin>,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = ServiceResponse<impl MessageBody>,
    Error = actix_web::Error,
    InitError = (),
> {
    let routes = app.clone();
    actix_web::App::new()
        .app_data(app)
        .configure(move |config| router::configure(&routes, config))
        .wrap(Condition::new(!cors_origins.is_empty(), cors(&cors_origins)))
        .wrap(Condition::new(!cors_origins.is_empty(), from_fn(finish_cors)))
        .wrap(from_fn(respond))
        .into_factory()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::net::TcpStream;

    #[test]
    fn a_thousand_clients_may_connect_before_the_first_is_accepted() -> Result<(), Box<dyn Error>> {
        let listener = listen("127.0.0.1:0".parse()?)?;
        let address = listener.local_addr()?;
        let allowed =
            std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok());
        let clients = 1000.min(allowed.unwrap_or(1000));
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok();
        let connected: Vec<_> = (0..clients).map_while(connect).collect();
        assert_eq!(connected.len(), clients);
        Ok(())
    }
}
