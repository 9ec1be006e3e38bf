//! Liveness and readiness, for load balancers and orchestrators.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::app::App;

/// The body of both replies.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ready")]
    status: &'static str,
}

fn status(status: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(Health { status })
}

/// Replies that the process is running.
pub(crate) async fn live() -> HttpResponse {
    status("live")
}

/// How long the database may take. Load balancers expect a quick reply.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Replies whether the database is reachable, has all migrations and can be written.
pub(crate) async fn ready(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let late = |_| Problem::DatabaseUnavailable("the database did not answer the readiness check in time".into());
    actix_rt::time::timeout(TIMEOUT, app.database.ready()).await.map_err(late)??;
    Ok(status("ready"))
}
