//! `/account/sign-in`

use actix_web::HttpResponse;
use minijinja::context;

use super::carried::{Carried, NAMES, TEMPLATE};
use super::destination::{Destination, OVERVIEW};
use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use super::{email, profile};
use crate::http::{Action, Problem};
use crate::sessions::body::SignIn;
use crate::sessions::routes::{self as sessions, Begun};
use crate::tokens::SessionCookie;

/// Shows the form, or leads on whoever has signed in already.
pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    if visit.is_signed_in().await? {
        return Ok(visit.see_other(&visit.destination.address()));
    }
    let mut fields = Fields::new(NAMES);
    Carried::default().hide_in(&mut fields, &visit.destination);
    visit.page(TEMPLATE, Shown::to_anybody().with(&fields), context! {})
}

/// Signs in, and leads on. If something was typed on another page before, that page is shown again with it.
pub(super) async fn submit(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    visit.destination = Destination::of_form(&visit.pages, &mut form);
    let carried = Carried::of_form(&mut form);
    let mut fields = Fields::typed(NAMES, &mut form);
    carried.hide_in(&mut fields, &visit.destination);
    match check(&visit, &fields, &form).await {
        Ok(Begun { customer, session, .. }) => {
            visit.sign_in(SessionCookie::used_now(customer, session));
            match (visit.destination.next, carried.form_of(customer)) {
                (Some("profile"), Some(typed)) => profile::resume(visit, typed).await,
                (Some("email"), Some(typed)) => email::resume(visit, typed).await,
                _ => Ok(visit.see_other(&visit.destination.address())),
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
    let body: SignIn = fields.body_with(|json| json.retain(|name, _| NAMES.contains(&name.as_str())))?;
    sessions::begin(&visit.app, &visit.request, body).await
}

/// Leads from the path without a slash to the overview.
pub(super) async fn lead_to_overview(visit: Visit) -> Result<HttpResponse, Problem> {
    Ok(visit.see_other(OVERVIEW))
}
