//! `/account/forgot` and `/account/forgot-sent`

use actix_web::HttpResponse;
use minijinja::context;

use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use crate::http::{Action, Problem, ValidJson};
use crate::recovery::body::ForgottenPassword;
use crate::recovery::routes as recovery;

const TEMPLATE: &str = "forgot.html";
const NAMES: &[&str] = &["email"];

pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    visit.page(TEMPLATE, Shown::to_anybody().with(&Fields::new(NAMES)), context! {})
}

/// The reply is the same whether or not there is an account.
pub(super) async fn submit(visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    let mut fields = Fields::typed(NAMES, &mut form);
    match send(&visit, &fields, &form).await {
        Ok(()) => Ok(visit.see_other("/account/forgot-sent")),
        Err(problem) => visit.refused(TEMPLATE, None, &mut fields, &problem, context! {}),
    }
}

async fn send(visit: &Visit, fields: &Fields, form: &Form) -> Result<(), Problem> {
    form.check_empty()?;
    visit.count(Action::Recovery)?;
    let body: ForgottenPassword = fields.body()?;
    recovery::forgot(visit.app.clone(), visit.request.clone(), ValidJson(body)).await?;
    Ok(())
}

pub(super) async fn sent(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.check_mail()?;
    visit.page("forgot-sent.html", Shown::to_anybody(), context! {})
}
