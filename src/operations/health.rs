//! Liveness and readiness, for load balancers and orchestrators.

use std::time::Duration;

use actix_web::{HttpResponse, web};

use crate::db::Database;
use crate::problem::Problem;

/// Mounts the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource(["/health/live", "/health/live/"]).route(web::get().to(live)).route(web::head().to(live)),
        )
        .service(
            web::resource(["/health/ready", "/health/ready/"]).route(web::get().to(ready)).route(web::head().to(ready)),
        );
}

fn status(text: &str) -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(serde_json::json!({ "status": text }))
}

/// The process answers.
async fn live() -> HttpResponse {
    status("live")
}

/// How long the database may take: whoever asks wants an answer now.
const PATIENCE: Duration = Duration::from_secs(3);

/// The database answers, lacks no migration and takes changes.
async fn ready(database: web::Data<Database>) -> Result<HttpResponse, Problem> {
    let late = |_| Problem::DatabaseUnavailable("the database did not answer the readiness check in time".into());
    actix_rt::time::timeout(PATIENCE, database.ready()).await.map_err(late)??;
    Ok(status("ready"))
}
