//! `/account/export`: everything that is held about the customer, as a file.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_DISPOSITION;
use minijinja::context;

use super::form::Form;
use super::visit::{Shown, Visit};
use crate::customers::routes as customers;
use crate::http::Problem;

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let versioned = visit.profile().await?;
    visit.page("export.html", Shown::to(&versioned.customer), context! {})
}

/// A POST, because the export is in the history.
pub(super) async fn submit(visit: Visit, form: Form) -> Result<HttpResponse, Problem> {
    form.check_empty()?;
    let data = customers::all_data(&visit.app, &visit.request, visit.owner()?).await?;
    let json = serde_json::to_string_pretty(&data).map_err(|error| Problem::Internal(error.to_string()))?;
    let mut reply = HttpResponse::Ok();
    reply.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"account.json\""));
    Ok(reply.content_type("application/json").body(json))
}
