//! `/account/register`

use actix_web::HttpResponse;
use minijinja::context;

use super::destination::{Destination, OVERVIEW, SIGN_IN, with_query};
use super::fields::Fields;
use super::form::Form;
use super::sign_in;
use super::visit::{Shown, Visit};
use crate::customers::Registration;
use crate::customers::routes as customers;
use crate::http::{Action, Problem};
use crate::sessions::routes::Begun;
use crate::tokens::SessionCookie;

const TEMPLATE: &str = "register.html";
const NAMES: &[&str] = &["email", "first_name", "last_name", "password"];

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    if visit.is_signed_in().await? {
        return Ok(visit.see_other(&visit.destination.address()));
    }
    let mut fields = Fields::new(NAMES);
    for (name, value) in visit.destination.pairs() {
        fields.hide(name, value);
    }
    visit.page(TEMPLATE, Shown::to_anybody().with(&fields), context! { sign_in_hint => false })
}

/// Registers, and signs in. Of a form that is sent twice, the second finds the email taken and offers to sign in.
pub(super) async fn submit(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    visit.destination = Destination::of_form(&visit.pages, &mut form);
    let mut fields = Fields::typed(NAMES, &mut form);
    for (name, value) in visit.destination.pairs() {
        fields.hide(name, value);
    }
    match register(&visit, &fields, &form).await {
        Ok(()) => Ok(welcome(visit, &fields).await),
        Err(problem) => {
            let sign_in_hint = matches!(problem, Problem::EmailTaken);
            visit.refused(TEMPLATE, None, &mut fields, &problem, context! { sign_in_hint })
        }
    }
}

async fn register(visit: &Visit, fields: &Fields, form: &Form) -> Result<(), Problem> {
    form.check_empty()?;
    visit.count(Action::Registration)?;
    let registration: Registration = fields.body()?;
    customers::add(&visit.app, &visit.request, registration).await?;
    Ok(())
}

/// Signs in. Where that is not possible yet, the account exists all the same, and the page for signing in says so.
async fn welcome(mut visit: Visit, fields: &Fields) -> HttpResponse {
    if visit.app.sign_in_rules.requires_verified_email {
        let said = [("notice", "unverified")].into_iter().chain(visit.destination.pairs());
        return visit.see_other(&with_query(SIGN_IN, said));
    }
    match sign_in::begin(&visit, fields).await {
        Ok(Begun { customer, session, .. }) => {
            visit.sign_in(SessionCookie::used_now(customer, session));
            match visit.destination.return_to.clone() {
                Some(address) => visit.see_other(&address),
                None => visit.done(OVERVIEW, "registered"),
            }
        }
        Err(problem) => {
            log::debug!("no sign-in right after a registration: {problem}");
            let said = [("done", "registered")].into_iter().chain(visit.destination.pairs());
            visit.see_other(&with_query(SIGN_IN, said))
        }
    }
}
