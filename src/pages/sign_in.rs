//! `/account/sign-in`

use actix_web::HttpResponse;
use minijinja::context;
use serde_json::Value as Json;

use super::destination::{Destination, OVERVIEW};
use super::fields::Fields;
use super::form::Form;
use super::profile;
use super::visit::{Shown, Visit};
use crate::http::{Action, Body, Problem};
use crate::sessions::body::SignIn;
use crate::sessions::routes::{self as sessions, Begun};
use crate::tokens::SessionCookie;

const TEMPLATE: &str = "sign-in.html";
const NAMES: &[&str] = &["email", "password"];

/// What the hidden inputs begin with that hold what was typed on another page before its session had ended.
pub(super) const CARRIED: &str = "carried.";

/// Shows the form, or leads on whoever has signed in already.
pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    if is_signed_in(&mut visit).await? {
        return Ok(visit.see_other(&visit.destination.address()));
    }
    let fields = fields(&visit, Vec::new());
    visit.page(TEMPLATE, Shown::to_anybody().with(&fields), context! {})
}

/// Returns whether the cookie's session is alive.
pub(super) async fn is_signed_in(visit: &mut Visit) -> Result<bool, Problem> {
    match visit.profile().await {
        Ok(_) => Ok(true),
        Err(Problem::TokenMissing | Problem::SessionEnded) => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// Returns the empty form, with what is carried through it.
pub(super) fn fields(visit: &Visit, carried: Vec<(String, String)>) -> Fields {
    let mut fields = Fields::new(NAMES);
    carry(&mut fields, &visit.destination, carried);
    fields
}

fn carry(fields: &mut Fields, destination: &Destination, carried: Vec<(String, String)>) {
    for (name, value) in destination.pairs() {
        fields.hide(name, value);
    }
    for (name, value) in carried {
        fields.hide(format!("{CARRIED}{name}"), value);
    }
}

pub(super) async fn submit(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    visit.destination = Destination::of_form(&visit.pages, &mut form);
    let carried = form.take_all(CARRIED);
    let mut fields = Fields::typed(NAMES, &mut form);
    carry(&mut fields, &visit.destination, carried.clone());
    match check(&visit, &fields, &form).await {
        Ok(Begun { customer, session, .. }) => {
            visit.sign_in(SessionCookie::used_now(customer, session));
            match profile::resumed(&mut visit, customer, carried).await? {
                Some(page) => Ok(page),
                None => Ok(visit.see_other(&visit.destination.address())),
            }
        }
        Err(problem) => visit.refused(TEMPLATE, None, &mut fields, &problem, context! {}),
    }
}

async fn check(visit: &Visit, fields: &Fields, form: &Form) -> Result<Begun, Problem> {
    form.check_empty()?;
    visit.count(Action::SignIn)?;
    begin(visit, fields).await
}

/// Begins a session with the email and the password in a form.
pub(super) async fn begin(visit: &Visit, fields: &Fields) -> Result<Begun, Problem> {
    let mut json = fields.json();
    json.retain(|name, _| NAMES.contains(&name.as_str()));
    let body = SignIn::from_json(Json::Object(json).to_string().as_bytes())?;
    sessions::begin(&visit.app, &visit.request, body).await
}

/// Leads from the empty path to the overview.
pub(super) async fn overview(visit: Visit) -> Result<HttpResponse, Problem> {
    Ok(visit.see_other(OVERVIEW))
}
