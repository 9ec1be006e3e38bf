//! `/api/v1/customers/…`

use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::{HttpResponse, web};

use super::change::Replacement;
use super::etag::{IfMatch, IfNoneMatch};
use super::model::Versioned;
use super::read::{Found, Reads};
use super::update::{Outcome, Update, Updates};
use crate::auth::bearer;
use crate::body::{Checked, FieldErrors, Refusal};
use crate::db::Lane;
use crate::guard::OwnedCustomer;
use crate::problem::Problem;

/// Mounts the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(
        web::resource(["/api/v1/customers/{id}", "/api/v1/customers/{id}/"])
            .route(web::put().to(replace).wrap(bearer()))
            .route(web::get().to(show).wrap(bearer()))
            .route(web::head().to(show).wrap(bearer())),
    );
}

/// `PUT`: no `ETag`, because the stored representation is not the one sent (RFC 9110 §9.3.4).
async fn replace(
    customer: OwnedCustomer,
    if_match: IfMatch,
    Checked(Replacement(change)): Checked<Replacement>,
    updates: web::Data<Lane<Updates>>,
) -> Result<HttpResponse, Problem> {
    let update = Update { customer, change, expected: if_match.versions() };
    let versioned = done(updates.submit(update).await?)?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(&versioned.customer))
}

async fn show(
    customer: OwnedCustomer,
    if_none_match: IfNoneMatch,
    reads: web::Data<Lane<Reads>>,
) -> Result<HttpResponse, Problem> {
    let versioned = match reads.submit(customer).await? {
        Found::Customer(versioned) => versioned,
        Found::Missing => return Err(Problem::NotFound),
        Found::SessionEnded => return Err(Problem::SessionEnded),
    };
    let tag = (ETAG, format!("\"{}\"", versioned.version));
    Ok(if if_none_match.has(versioned.version) {
        HttpResponse::NotModified().insert_header(tag).insert_header((CACHE_CONTROL, "no-store")).finish()
    } else {
        HttpResponse::Ok().insert_header(tag).insert_header((CACHE_CONTROL, "no-store")).json(&versioned.customer)
    })
}

/// The customer after an update, or the problem that its outcome is.
fn done(outcome: Outcome) -> Result<Box<Versioned>, Problem> {
    match outcome {
        Outcome::Done(versioned) => Ok(versioned),
        Outcome::Missing => Err(Problem::NotFound),
        Outcome::SessionEnded => Err(Problem::SessionEnded),
        Outcome::VersionMismatch => Err(Problem::VersionMismatch),
        Outcome::EmailTaken => Err(Problem::EmailTaken),
        Outcome::AddressIncomplete(members) => {
            let mut errors = FieldErrors::default();
            members.iter().for_each(|name| errors.add(format!("#/address/{name}"), Refusal::required()));
            errors.into_result(None)
        }
    }
}
