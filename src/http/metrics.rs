//! `GET /metrics`, on a separate listener and thread. It responds even while the API is overloaded, and only clients that can
//! reach its address can read the metrics.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::metrics::Metrics;

/// The maximum number of open connections, enough for a few Prometheus servers and people.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take to send the head of its request, and to close the connection.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the usual interval between two scrapes.
const KEEP_ALIVE: Duration = Duration::from_secs(90);
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns a server for the metrics. It must be polled, in a running actix system.
///
/// # Errors
/// Returns the operating system's error.
pub(crate) fn server(listener: TcpListener, metrics: &Metrics) -> std::io::Result<Server> {
    let metrics = web::Data::new(metrics.clone());
    let application =
        move || App::new().app_data(metrics.clone()).service(web::resource("/metrics").route(web::get().to(show)));
    let server = HttpServer::new(application)
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(CLIENT_TIMEOUT)
        .client_disconnect_timeout(CLIENT_TIMEOUT)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn show(metrics: web::Data<Metrics>) -> HttpResponse {
    match metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(TEXT_FORMAT).body(text),
        Err(error) => {
            log::error!("could not format the metrics: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
