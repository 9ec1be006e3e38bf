//! What was typed on a page whose session had ended: it is carried through the form for signing in, in hidden inputs.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use minijinja::context;

use super::destination::Destination;
use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use crate::http::Problem;
use crate::ids::CustomerId;

/// The template for signing in, and its fields.
pub(super) const TEMPLATE: &str = "sign-in.html";
pub(super) const NAMES: &[&str] = &["email", "password"];

/// What the names of the hidden inputs begin with.
const PREFIX: &str = "carried.";
/// The hidden input with the customer whose page it was.
const OWNER: &str = "owner";

/// What is carried.
#[derive(Clone, Default)]
pub(super) struct Carried(Vec<(String, String)>);

impl Carried {
    /// Takes what is carried out of the form for signing in.
    pub(super) fn of_form(form: &mut Form) -> Self {
        Self(form.take_all(PREFIX))
    }

    /// Returns what was typed on a page of this customer.
    pub(super) fn of_fields(owner: &str, fields: &Fields) -> Self {
        let typed = fields.without_passwords().map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self(typed.chain([(OWNER.to_owned(), owner.to_owned())]).collect())
    }

    /// Adds another input of the page.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Returns the form of the page, if `customer` filled it in.
    pub(super) fn form_of(self, customer: CustomerId) -> Option<Form> {
        let mut form = Form::from(self.0);
        (form.take(OWNER)? == customer.to_string()).then_some(form)
    }

    /// Adds what is carried, and where to go, to the form for signing in.
    pub(super) fn hide_in(&self, fields: &mut Fields, destination: &Destination) {
        for (name, value) in destination.pairs() {
            fields.hide(name, value);
        }
        for (name, value) in &self.0 {
            fields.hide(format!("{PREFIX}{name}"), value);
        }
    }
}

/// Shows the form for signing in, which carries what was typed and leads back to the page `next`.
pub(super) fn sign_in_first(mut visit: Visit, next: &'static str, carried: &Carried) -> Result<HttpResponse, Problem> {
    visit.destination.next = Some(next);
    let mut fields = Fields::new(NAMES);
    carried.hide_in(&mut fields, &visit.destination);
    let shown = Shown { status: StatusCode::UNAUTHORIZED, ..Shown::to_anybody().with(&fields) };
    visit.page(TEMPLATE, shown, context! { notice => "session_ended" })
}
