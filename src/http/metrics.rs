//! `GET /metrics`, on a listener and a thread of its own: it answers while the service's own listener has more to do
//! than it can, and what it tells is for those who can reach that address.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::metrics::Metrics;

/// Connections at once: a few Prometheus servers and people.
const MOST_CONNECTIONS: usize = 64;
/// How long a client may take for the head of its request, and to hear the end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than the usual interval between two scrapes.
const KEEP_ALIVE: Duration = Duration::from_secs(90);
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the metrics when it is polled. Needs a running actix system.
///
/// # Errors
/// The operating system's.
pub(crate) fn server(listener: TcpListener, metrics: &Metrics) -> std::io::Result<Server> {
    let metrics = web::Data::new(metrics.clone());
    let application =
        move || App::new().app_data(metrics.clone()).service(web::resource("/metrics").route(web::get().to(show)));
    let server = HttpServer::new(application)
        .workers(1)
        .max_connections(MOST_CONNECTIONS)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(PATIENCE)
        .client_disconnect_timeout(PATIENCE)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn show(metrics: web::Data<Metrics>) -> HttpResponse {
    match metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(TEXT_FORMAT).body(text),
        Err(error) => {
            log::error!("the metrics could not be written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
