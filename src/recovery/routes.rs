//! `/auth/password/…` and `/auth/email/…`: for people who have no session, but read their mail.

use actix_web::{HttpRequest, HttpResponse, web};

use super::body::{ForgottenPassword, PasswordReset, UsedLink};
use super::{links, queries};
use crate::app::App;
use crate::events::Event;
use crate::http::{Action, Problem, ValidJson};
use crate::passwords::Client;

/// Mails a link to whoever has the email. Whether anybody has is not looked up here, so neither the reply nor its time tells.
pub(crate) async fn forgot(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(ForgottenPassword { email }): ValidJson<ForgottenPassword>,
) -> Result<HttpResponse, Problem> {
    app.throttle.mail(Action::Recovery, email.canonical())?;
    let caller = app.caller(&request)?;
    app.database.write(None, move |connection| queries::forgot(connection, &email, &caller)).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Sets a new password. The link is checked before the password, and used up after it.
pub(crate) async fn reset(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(PasswordReset { token, password, errors }): ValidJson<PasswordReset>,
) -> Result<HttpResponse, Problem> {
    let (token, caller) = (token.parse()?, app.caller(&request)?);
    let wanted = token.clone();
    let find = move |connection: &mut _| links::owner(connection, &wanted, &queries::RESETS);
    let (owner, known) = app.database.read(None, find).await?.ok_or(Problem::LinkInvalid)?;
    // Each attempt costs an estimate of the password's strength, and does not use the link up.
    app.throttle.by_account(Action::Link, &owner.to_string())?;
    let Some(password) = password else { return Err(errors.into()) };
    let hash = app.passwords.hash_new(Client::Known, password, "#/new_password", known, errors).await?;
    let network = app.throttle.client(&request)?.network();
    let reset = move |connection: &mut _| queries::reset(connection, &token, &hash, network, &caller);
    let (customer, ended) = app.database.write(Some(owner), reset).await??;
    app.metrics.sessions.recovered.inc_by(ended as u64);
    Event::PasswordReset.record(Some(customer), None);
    Ok(HttpResponse::NoContent().finish())
}

/// Verifies the email, or switches to a new one.
pub(crate) async fn verify(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(UsedLink { token }): ValidJson<UsedLink>,
) -> Result<HttpResponse, Problem> {
    let (token, caller) = (token.parse()?, app.caller(&request)?);
    let verify = move |connection: &mut _| queries::verify(connection, &token, &caller);
    let (customer, event) = app.database.write(None, verify).await??;
    event.record(Some(customer), None);
    Ok(HttpResponse::NoContent().finish())
}

/// Returns to the email before a change.
pub(crate) async fn revert(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(UsedLink { token }): ValidJson<UsedLink>,
) -> Result<HttpResponse, Problem> {
    let (token, caller) = (token.parse()?, app.caller(&request)?);
    let revert = move |connection: &mut _| queries::revert(connection, &token, &caller);
    let (customer, ended) = app.database.write(None, revert).await??;
    app.metrics.sessions.recovered.inc_by(ended as u64);
    Event::EmailReverted.record(Some(customer), None);
    Ok(HttpResponse::NoContent().finish())
}
