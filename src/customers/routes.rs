//! `/api/v1/customers/…`

use actix_web::http::header::{ETAG, HeaderName, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::change::{Change, PatchCustomer, PutCustomer};
use super::email_throttle::EmailThrottle;
use super::model::Versioned;
use super::personal_data::{PersonalData, personal_data};
use super::queries;
use super::registration::Registration;
use super::update::{Done, EmailChange, Update};
use crate::app::App;
use crate::events::Event;
use crate::http::conditional::{Conditions, IfMatch, IfNoneMatch};
use crate::http::{Action, Denied, OwnedCustomer, Problem, ValidJson};
use crate::ids::CustomerId;
use crate::mail::file;

/// `PUT`. The reply has no `ETag`, because the stored customer may differ from the body (RFC 9110 §9.3.4).
pub(crate) async fn replace(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
    conditions: Conditions,
    ValidJson(PutCustomer(change)): ValidJson<PutCustomer>,
) -> Result<HttpResponse, Problem> {
    let location = customer.content_location();
    let versioned = apply(&app, &request, customer, change, conditions).await?;
    Ok(located(HttpResponse::Ok(), location).json(&versioned.customer))
}

pub(crate) async fn patch(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
    conditions: Conditions,
    ValidJson(PatchCustomer(change)): ValidJson<PatchCustomer>,
) -> Result<HttpResponse, Problem> {
    let location = customer.content_location();
    let versioned = apply(&app, &request, customer, change, conditions).await?;
    Ok(located(tagged(HttpResponse::Ok(), &versioned), location).json(&versioned.customer))
}

/// Changes a customer, and returns the customer after the change.
pub(crate) async fn apply(
    app: &App,
    request: &HttpRequest,
    customer: OwnedCustomer,
    change: Change,
    conditions: Conditions,
) -> Result<Box<Versioned>, Problem> {
    let emails = EmailThrottle::new(app, request)?;
    // Only a changed email has a row in the history, and mails.
    let caller = change.email.as_ref().map(|_| app.caller_in(emails.network(), request)).unwrap_or_default();
    let email = change.email.clone();
    let update = Update { customer, change, email_rule: app.email_rule, conditions, caller };
    let customer = update.customer.id();
    emails.admit(&update).await?;
    let outcome = app.updates.submit(update).await?;
    let is_changed = matches!(&outcome, Ok(done) if done.email != EmailChange::None);
    if is_changed || matches!(outcome, Err(Denied::EmailTaken)) {
        emails.count(&customer.to_string());
    }
    if let (Ok(Done { email: EmailChange::Replaced(_), .. }), Some(email)) = (&outcome, &email) {
        emails.count_mails(&customer.to_string(), email);
    }
    let Done { versioned, .. } = outcome?;
    if is_changed {
        Event::EmailChange.record(Some(customer), None);
    }
    Ok(versioned)
}

pub(crate) async fn show(
    app: web::Data<App>,
    customer: OwnedCustomer,
    if_none_match: IfNoneMatch,
) -> Result<HttpResponse, Problem> {
    let location = customer.content_location();
    let versioned = app.reads.submit(customer).await??;
    Ok(if if_none_match.has(versioned.version) {
        located(tagged(HttpResponse::NotModified(), &versioned), location).finish()
    } else {
        located(tagged(HttpResponse::Ok(), &versioned), location).json(&versioned.customer)
    })
}

/// Everything that is held about the customer, as one document.
pub(crate) async fn export(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(all_data(&app, &request, customer).await?))
}

/// Collects everything that is held about the customer.
pub(crate) async fn all_data(
    app: &App,
    request: &HttpRequest,
    customer: OwnedCustomer,
) -> Result<PersonalData, Problem> {
    let (id, session) = (customer.id(), customer.session());
    let caller = app.caller(request)?;
    // Writes, because the export is in the history.
    let data = app.database.write(Some(id), move |connection| personal_data(connection, &customer, &caller)).await??;
    Event::Export.record(Some(id), session);
    Ok(data)
}

fn located(mut builder: HttpResponseBuilder, location: Option<(HeaderName, String)>) -> HttpResponseBuilder {
    if let Some(location) = location {
        builder.insert_header(location);
    }
    builder
}

fn tagged(mut builder: HttpResponseBuilder, versioned: &Versioned) -> HttpResponseBuilder {
    builder.insert_header((ETAG, format!("\"{}\"", versioned.version)));
    builder
}

pub(crate) async fn register(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(registration): ValidJson<Registration>,
) -> Result<HttpResponse, Problem> {
    let (id, versioned) = add(&app, &request, registration).await?;
    let location = (LOCATION, format!("/api/v1/customers/{id}/"));
    Ok(tagged(HttpResponse::Created(), &versioned).insert_header(location).json(&versioned.customer))
}

/// Adds a customer who can sign in.
pub(crate) async fn add(
    app: &App,
    request: &HttpRequest,
    registration: Registration,
) -> Result<(CustomerId, Versioned), Problem> {
    let client = app.throttle.client(request)?;
    let (customer, hash) = registration.check_and_hash(&app.passwords).await?;
    if app.sends_mail {
        // Otherwise somebody who registers and erases an email again and again could flood its mailbox.
        app.throttle.mail(Action::Registration, customer.email.canonical())?;
    }
    // Always treated as a known network, so that clients elsewhere cannot keep anybody from registering.
    let known = true;
    let guess = app.throttle.guess(Action::Registration, customer.email.canonical(), client.network(), known)?;
    let (caller, email) = (app.caller_in(client.network(), request), customer.email.clone());
    let registered =
        app.database.write(None, move |connection| queries::register(connection, &customer, &hash, &caller)).await;
    // Only an email that is taken counts as a guess.
    if !matches!(registered, Ok(Err(Denied::EmailTaken))) {
        guess.take_back();
    }
    if app.sends_mail && !matches!(registered, Ok(Ok(_))) {
        app.throttle.take_mail_back(Action::Registration, email.canonical());
    }
    let (id, versioned) = registered??;
    Event::Registration.record(Some(id), None);
    Ok((id, versioned))
}

/// Erases customer, address, sessions and password. The email can be registered again.
pub(crate) async fn erase(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    remove(&app, &request, customer, if_match.versions()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Erases the customer, if the version is one of the expected ones.
pub(crate) async fn remove(
    app: &App,
    request: &HttpRequest,
    customer: OwnedCustomer,
    versions: Option<Vec<i64>>,
) -> Result<(), Problem> {
    let id = customer.id();
    let caller = app.caller(request)?;
    app.database
        .write(Some(id), move |connection| queries::erase(connection, &customer, versions.as_deref(), &caller))
        .await??;
    file::forget(app.mail_folder.clone(), id).await;
    Event::Erasure.record(Some(id), None);
    Ok(())
}
