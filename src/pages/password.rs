//! `/account/password`

use actix_web::HttpResponse;
use minijinja::context;

use super::destination::OVERVIEW;
use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use crate::http::{Action, Problem, ValidJson};
use crate::passwords::change::{PasswordChange, change_password};

const TEMPLATE: &str = "password.html";
const NAMES: &[&str] = &["current_password", "new_password"];

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let customer = visit.profile().await?.customer;
    let fields = Fields::new(NAMES);
    let more = context! { username => customer.email.as_str() };
    visit.page(TEMPLATE, Shown::to(&customer).with(&fields), more)
}

pub(super) async fn submit(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::typed(NAMES, &mut form);
    match change(&visit, &fields, &form).await {
        Ok(()) => Ok(visit.done(OVERVIEW, "password")),
        Err(problem) => {
            let customer = visit.profile().await?.customer;
            let more = context! { username => customer.email.as_str() };
            visit.refused(TEMPLATE, Some(&customer), &mut fields, &problem, more)
        }
    }
}

async fn change(visit: &Visit, fields: &Fields, form: &Form) -> Result<(), Problem> {
    let customer = visit.owner()?;
    form.check_empty()?;
    visit.count(Action::PasswordChange)?;
    let body: PasswordChange = fields.body()?;
    change_password(visit.app.clone(), visit.request.clone(), customer, ValidJson(body)).await?;
    Ok(())
}
