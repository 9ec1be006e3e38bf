//! `/api/v1/customers/…`

use actix_web::http::header::{CACHE_CONTROL, ETAG, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder, web};

use super::change::{MergePatch, Replacement};
use super::email_throttle::EmailThrottle;
use super::etag::{Conditions, IfMatch, IfNoneMatch};
use super::model::Versioned;
use super::queries;
use super::read::Reads;
use super::registration::Registration;
use super::update::{Done, Update, Updates};
use crate::auth::bearer;
use crate::body::Checked;
use crate::db::{Database, Lane};
use crate::denied::Denied;
use crate::guard::OwnedCustomer;
use crate::operations::events::Event;
use crate::problem::Problem;
use crate::sessions::password::Passwords;
use crate::throttle::{Action, ClientAddress, Throttle};

/// Mounts the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(web::resource(["/api/v1/customers", "/api/v1/customers/"]).route(web::post().to(register)));
    config.service(
        web::resource(["/api/v1/customers/{id}", "/api/v1/customers/{id}/"])
            .route(web::put().to(replace).wrap(bearer()))
            .route(web::patch().to(patch).wrap(bearer()))
            .route(web::delete().to(erase).wrap(bearer()))
            .route(web::get().to(show).wrap(bearer()))
            .route(web::head().to(show).wrap(bearer())),
    );
}

/// `PUT`: no `ETag`, because the stored representation is not the one sent (RFC 9110 §9.3.4).
async fn replace(
    customer: OwnedCustomer,
    conditions: Conditions,
    Checked(Replacement(change)): Checked<Replacement>,
    updates: web::Data<Lane<Updates>>,
    emails: EmailThrottle,
) -> Result<HttpResponse, Problem> {
    let versioned = apply(&updates, &emails, Update { customer, change, conditions }).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(&versioned.customer))
}

async fn patch(
    customer: OwnedCustomer,
    conditions: Conditions,
    Checked(MergePatch(change)): Checked<MergePatch>,
    updates: web::Data<Lane<Updates>>,
    emails: EmailThrottle,
) -> Result<HttpResponse, Problem> {
    let versioned = apply(&updates, &emails, Update { customer, change, conditions }).await?;
    Ok(tagged(HttpResponse::Ok(), &versioned).json(&versioned.customer))
}

async fn apply(updates: &Lane<Updates>, emails: &EmailThrottle, update: Update) -> Result<Box<Versioned>, Problem> {
    let customer = update.customer.id();
    emails.admit(&update).await?;
    let outcome = updates.submit(update).await?;
    if matches!(outcome, Ok(Done { email_changed: true, .. }) | Err(Denied::EmailTaken)) {
        emails.count(&customer.to_string());
    }
    let Done { versioned, email_changed } = outcome?;
    if email_changed {
        Event::EmailChange.record(Some(customer), None);
    }
    Ok(versioned)
}

async fn show(
    customer: OwnedCustomer,
    if_none_match: IfNoneMatch,
    reads: web::Data<Lane<Reads>>,
) -> Result<HttpResponse, Problem> {
    let versioned = reads.submit(customer).await??;
    Ok(if if_none_match.has(versioned.version) {
        tagged(HttpResponse::NotModified(), &versioned).finish()
    } else {
        tagged(HttpResponse::Ok(), &versioned).json(&versioned.customer)
    })
}

fn tagged(mut builder: HttpResponseBuilder, versioned: &Versioned) -> HttpResponseBuilder {
    builder.insert_header((ETAG, format!("\"{}\"", versioned.version))).insert_header((CACHE_CONTROL, "no-store"));
    builder
}

async fn register(
    client: ClientAddress,
    Checked(registration): Checked<Registration>,
    throttle: web::Data<Throttle>,
    passwords: web::Data<Passwords>,
    database: web::Data<Database>,
) -> Result<HttpResponse, Problem> {
    let (customer, hash) = registration.judge(&passwords).await?;
    // Always as from a known network: strangers elsewhere keep nobody from registering.
    let known = true;
    let guess = throttle.guess(Action::Registration, customer.email.canonical(), client.network(), known)?;
    let registered = database.write(None, move |connection| queries::register(connection, &customer, &hash)).await;
    // Only an email that is taken stays counted.
    if !matches!(registered, Ok(None)) {
        guess.take_back();
    }
    let (id, versioned) = registered?.ok_or(Problem::EmailTaken)?;
    Event::Registration.record(Some(id), None);
    let location = (LOCATION, format!("/api/v1/customers/{id}/"));
    Ok(tagged(HttpResponse::Created(), &versioned).insert_header(location).json(&versioned.customer))
}

/// Customer, address, sessions and password go; the email is free again.
async fn erase(
    customer: OwnedCustomer,
    if_match: IfMatch,
    database: web::Data<Database>,
) -> Result<HttpResponse, Problem> {
    let id = customer.id();
    let versions = if_match.versions();
    database.write(Some(id), move |connection| queries::erase(connection, &customer, versions.as_deref())).await??;
    Event::Erasure.record(Some(id), None);
    Ok(HttpResponse::NoContent().finish())
}
