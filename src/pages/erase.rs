//! `/account/erase` and `/account/erased`

use std::sync::LazyLock;

use actix_web::HttpResponse;
use minijinja::context;

use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use crate::customers::routes as customers;
use crate::http::{Action, Body, FieldErrors, Member, Problem};
use crate::passwords::{ANY_PASSWORD, Password, current};

const TEMPLATE: &str = "erase.html";
const NAMES: &[&str] = &["current_password"];

/// What erasing needs besides a session.
struct Confirmation {
    current: Password,
}

impl Body for Confirmation {
    const NAME: &'static str = "ErasureConfirmation";
    const EXAMPLE: &'static str = r#"{"current_password": "difference engine no 2"}"#;
    type Draft = Option<Password>;

    fn members() -> &'static [Member<Option<Password>>] {
        static MEMBERS: LazyLock<[Member<Option<Password>>; 1]> = LazyLock::new(|| {
            [Member::new("current_password", &ANY_PASSWORD, |draft, password| *draft = Some(password)).required()]
        });
        &*MEMBERS
    }

    fn finish(current: Option<Password>, _: &mut FieldErrors) -> Option<Self> {
        current.map(|current| Self { current })
    }
}

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let customer = visit.profile().await?.customer;
    let fields = Fields::new(NAMES);
    visit.page(TEMPLATE, Shown::to(&customer).with(&fields), context! { email => customer.email.as_str() })
}

pub(super) async fn submit(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::typed(NAMES, &mut form);
    match erase(&visit, &fields, &form).await {
        Ok(()) => {
            visit.sign_out();
            Ok(visit.see_other("/account/erased"))
        }
        Err(problem) => {
            let customer = visit.profile().await?.customer;
            let more = context! { email => customer.email.as_str() };
            visit.refused(TEMPLATE, Some(&customer), &mut fields, &problem, more)
        }
    }
}

async fn erase(visit: &Visit, fields: &Fields, form: &Form) -> Result<(), Problem> {
    let customer = visit.owner()?;
    form.check_empty()?;
    visit.count(Action::PasswordChange)?;
    let Confirmation { current } = fields.body()?;
    let mut errors = FieldErrors::default();
    let mut checked = current::check(&visit.app, &visit.request, &customer, current, &mut errors).await?;
    checked.wait().await;
    errors.into_result(Some(()))?;
    customers::remove(&visit.app, &visit.request, customer, None).await
}

/// Says that the account is erased. There is no customer left to show.
pub(super) async fn erased(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.page("erased.html", Shown::to_anybody(), context! {})
}
