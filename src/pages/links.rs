//! `/account/reset`, `/account/verify` and `/account/revert`: where the links in mails lead.
//!
//! Opening a page changes nothing, because programs that check mails for viruses open it too. The form sends the token.

use actix_web::HttpResponse;
use minijinja::{Value, context};
use serde_json::json;
use url::form_urlencoded::parse;

use super::destination::{OVERVIEW, SIGN_IN};
use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use crate::http::respond::log_cause;
use crate::http::{Action, Body, Problem, ValidJson};
use crate::recovery::body::{PasswordReset, UsedLink};
use crate::recovery::routes as recovery;

const RESET: &str = "reset.html";
const RESET_NAMES: &[&str] = &["new_password"];

pub(super) async fn show_reset(visit: Visit) -> Result<HttpResponse, Problem> {
    show(&visit, RESET, RESET_NAMES, context! { username => Value::from(()) })
}

pub(super) async fn show_verify(visit: Visit) -> Result<HttpResponse, Problem> {
    show(&visit, "verify.html", &[], context! {})
}

pub(super) async fn show_revert(visit: Visit) -> Result<HttpResponse, Problem> {
    show(&visit, "revert.html", &[], context! {})
}

fn show(visit: &Visit, template: &str, names: &'static [&'static str], more: Value) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    let (_, token) =
        parse(visit.request.query_string().as_bytes()).find(|(name, _)| name == "token").ok_or(Problem::LinkInvalid)?;
    let mut fields = Fields::new(names);
    fields.hide("token", token);
    visit.page(template, Shown::to_anybody().with(&fields), more)
}

/// Sets a new password. All sessions end, also that of this browser.
pub(super) async fn reset(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    let token = form.take("token").unwrap_or_default();
    let mut fields = Fields::typed(RESET_NAMES, &mut form);
    match set_password(&visit, &token, &fields, &form).await {
        Ok(()) => {
            visit.sign_out();
            Ok(visit.done(SIGN_IN, "reset"))
        }
        Err(Problem::LinkInvalid) => Err(Problem::LinkInvalid),
        Err(problem) => {
            fields.hide("token", token);
            visit.refused(RESET, None, &mut fields, &problem, context! { username => Value::from(()) })
        }
    }
}

async fn set_password(visit: &Visit, token: &str, fields: &Fields, form: &Form) -> Result<(), Problem> {
    form.check_empty()?;
    visit.count(Action::Link)?;
    let body: PasswordReset = fields.body_with(|json| {
        json.insert("token".into(), token.into());
    })?;
    recovery::reset(visit.app.clone(), visit.request.clone(), ValidJson(body)).await?;
    Ok(())
}

/// Verifies the email, or switches to a new one.
pub(super) async fn verify(mut visit: Visit, form: Form) -> Result<HttpResponse, Problem> {
    let link = link(&visit, form)?;
    recovery::verify(visit.app.clone(), visit.request.clone(), ValidJson(link)).await?;
    // The link is used up, so trying again would not help: an error only leads to the page for signing in.
    let is_signed_in = visit.is_signed_in().await.unwrap_or_else(|problem| {
        log_cause(&problem, &visit.request_id());
        false
    });
    Ok(visit.done(if is_signed_in { OVERVIEW } else { SIGN_IN }, "verified"))
}

/// Returns to the email before a change. All sessions end, also that of this browser.
pub(super) async fn revert(mut visit: Visit, form: Form) -> Result<HttpResponse, Problem> {
    let link = link(&visit, form)?;
    recovery::revert(visit.app.clone(), visit.request.clone(), ValidJson(link)).await?;
    visit.sign_out();
    Ok(visit.done(SIGN_IN, "reverted"))
}

fn link(visit: &Visit, mut form: Form) -> Result<UsedLink, Problem> {
    visit.check_mail()?;
    let token = form.take("token").unwrap_or_default();
    form.check_empty()?;
    visit.count(Action::Link)?;
    UsedLink::from_json(json!({"token": token}).to_string().as_bytes())
}
