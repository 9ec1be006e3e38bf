//! `/api/v1/customers/{id}/email/…`

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::EmailChange;
use super::pending;
pub(crate) use super::pending::State;
use crate::app::App;
use crate::http::{Action, Denied, FieldErrors, OwnedCustomer, Problem, ValidJson};
use crate::passwords::current::{self, Checked};

/// The email of a customer in a reply.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailState {
    /// As the customer typed it.
    #[schema(example = "ada@example.com")]
    email: String,
    /// Whether the customer has proved to read the mailbox.
    verified: bool,
    /// A new email that waits to be confirmed.
    #[schema(required)]
    pending: Option<PendingEmail>,
}

/// A new email that waits to be confirmed by the link that was mailed to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PendingEmail {
    /// As the customer typed it.
    #[schema(example = "ada@new.example")]
    email: String,
    /// When the link ends.
    #[schema(format = DateTime, example = "2026-11-23T12:00:00.000Z")]
    expires: String,
}

impl From<State> for EmailState {
    fn from(State { email, verified, pending }: State) -> Self {
        let pending = pending.map(|(email, expires)| PendingEmail { email, expires: expires.to_rfc3339() });
        Self { email, verified, pending }
    }
}

pub(crate) async fn show(app: web::Data<App>, customer: OwnedCustomer) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(EmailState::from(state(&app, customer).await?)))
}

/// Returns the email of the customer.
pub(crate) async fn state(app: &App, customer: OwnedCustomer) -> Result<State, Problem> {
    let id = customer.id();
    Ok(app.database.read(Some(id), move |connection| pending::state(connection, &customer)).await??)
}

/// Requests a change of the email. It counts for the throttle of email changes, because it tells whether the new email is taken.
pub(crate) async fn request_change(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
    ValidJson(EmailChange { email, current }): ValidJson<EmailChange>,
) -> Result<HttpResponse, Problem> {
    let client = app.throttle.client(&request)?;
    let (id, account) = (customer.id(), customer.id().to_string());
    let peeked = app.throttle.peek(Action::EmailChange, &account, client);
    peeked.map_err(|exceeded| app.throttle.refuse(&exceeded))?;
    let mut errors = FieldErrors::default();
    let mut checked = current::check(&app, &request, &customer, current, &mut errors).await?;
    checked.wait().await;
    errors.into_result(Some(()))?;
    let recipients = [account.clone(), email.canonical().to_owned()];
    recipients.iter().try_for_each(|recipient| app.throttle.mail(Action::EmailChange, recipient))?;
    let Checked { hash, caller, .. } = checked;
    let (hash, tokens) = (hash.ok_or(Problem::NotFound)?, app.link_tokens.clone());
    let write = move |connection: &mut _| pending::request(connection, &customer, &hash, &email, &tokens, &caller);
    let outcome = app.database.write(Some(id), write).await;
    if !matches!(outcome, Ok(Ok(()))) {
        recipients.iter().for_each(|recipient| app.throttle.take_mail_back(Action::EmailChange, recipient));
    }
    if matches!(outcome, Ok(Ok(()) | Err(Denied::EmailTaken))) {
        app.throttle.count(Action::EmailChange, &account, client);
    }
    outcome??;
    Ok(HttpResponse::Accepted().finish())
}

pub(crate) async fn forget_change(app: web::Data<App>, customer: OwnedCustomer) -> Result<HttpResponse, Problem> {
    let id = customer.id();
    app.database.write(Some(id), move |connection| pending::forget(connection, &customer)).await??;
    Ok(HttpResponse::NoContent().finish())
}

/// Mails a new link that verifies the email.
pub(crate) async fn send_verification(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
) -> Result<HttpResponse, Problem> {
    let (id, caller) = (customer.id(), app.caller(&request)?);
    app.throttle.mail(Action::Verification, &id.to_string())?;
    app.database
        .write(Some(id), move |connection| pending::send_verification(connection, &customer, &caller))
        .await??;
    Ok(HttpResponse::Accepted().finish())
}
