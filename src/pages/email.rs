//! `/account/email`: whether the email is verified, and its change, which a link confirms.

use actix_web::HttpResponse;
use minijinja::{Value, context};

use super::carried::{Carried, sign_in_first};
use super::dates;
use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use crate::http::{Action, Problem, ValidJson};
use crate::recovery::body::EmailChange;
use crate::recovery::email as recovery;
use crate::recovery::email::State;

const PATH: &str = "/account/email";
const TEMPLATE: &str = "email.html";
const NAMES: &[&str] = &["email", "current_password"];

pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    shown(visit, &Fields::new(NAMES)).await
}

async fn shown(mut visit: Visit, fields: &Fields) -> Result<HttpResponse, Problem> {
    let customer = visit.profile().await?.customer;
    let more = more(&visit).await?;
    visit.page(TEMPLATE, Shown::to(&customer).with(fields), more)
}

/// Returns the page's own variables.
async fn more(visit: &Visit) -> Result<Value, Problem> {
    let State { email, verified, pending } = recovery::state(&visit.app, visit.owner()?).await?;
    let pending = pending.map(|(email, expires)| context! { email, expires => dates::time(visit.messages(), expires) });
    Ok(context! { email, verified, pending })
}

/// Requests a change, forgets it, or sends a new link to the current email, by `action`.
pub(super) async fn submit(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    let action = form.take("action").unwrap_or_default();
    let mut fields = Fields::typed(NAMES, &mut form);
    match act(&visit, &action, &fields, &form).await {
        Ok(done) => Ok(visit.done(PATH, done)),
        Err(Problem::TokenMissing | Problem::SessionEnded) if action == "change" => {
            let owner = visit.owner().map(|owner| owner.id().to_string()).unwrap_or_default();
            sign_in_first(visit, "email", &Carried::of_fields(&owner, &fields))
        }
        Err(problem) => {
            let customer = visit.profile().await?.customer;
            let more = more(&visit).await?;
            visit.refused(TEMPLATE, Some(&customer), &mut fields, &problem, more)
        }
    }
}

async fn act(visit: &Visit, action: &str, fields: &Fields, form: &Form) -> Result<&'static str, Problem> {
    let customer = visit.owner()?;
    form.check_empty()?;
    let (app, request) = (visit.app.clone(), visit.request.clone());
    match action {
        "change" => {
            visit.count(Action::PasswordChange)?;
            let body: EmailChange = fields.body()?;
            recovery::request_change(app, request, customer, ValidJson(body)).await?;
            Ok("email_requested")
        }
        "resend" => recovery::send_verification(app, request, customer).await.map(|_| "verification_sent"),
        "cancel" => recovery::forget_change(app, customer).await.map(|_| "email_cancelled"),
        _ => Err(Problem::MalformedForm),
    }
}

/// Shows the form again after signing in, with what was typed before.
pub(super) async fn resume(visit: Visit, mut typed: Form) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    shown(visit, &Fields::typed(NAMES, &mut typed)).await
}
