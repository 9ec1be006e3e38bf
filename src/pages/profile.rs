//! `/account/profile`: names, date of birth and address.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use chrono::{Duration, Utc};
use minijinja::{Value, context};
use serde_json::Value as Json;

use super::carried::{Carried, sign_in_first};
use super::destination::OVERVIEW;
use super::fields::Fields;
use super::form::Form;
use super::visit::{Shown, Visit};
use super::{countries, dates};
use crate::customers::routes as customers;
use crate::customers::{Customer, PutCustomer, Versioned};
use crate::http::conditional::Conditions;
use crate::http::{OwnedCustomer, Problem};
use crate::ids::CustomerId;

const TEMPLATE: &str = "profile.html";
const ADDRESS: [&str; 5] =
    ["address.street_address", "address.postal_code", "address.city", "address.state", "address.country"];
const NAMES: &[&str] =
    &["first_name", "last_name", "date_of_birth", ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3], ADDRESS[4]];
/// The hidden input with the customer and the version that the form was made from.
const VERSION: &str = "version";
/// The box to remove the address.
const REMOVE: &str = "remove_address";

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let versioned = visit.profile().await?;
    let mut fields = stored(&versioned.customer);
    fields.hide(VERSION, tag(visit.owner()?.id(), versioned.version));
    let typed = Typed { fields, removing: false };
    visit.page(
        TEMPLATE,
        Shown::to(&versioned.customer).with(&typed.fields),
        more(&visit, Some(&versioned.customer), &typed, false),
    )
}

/// What was typed.
struct Typed {
    fields: Fields,
    removing: bool,
}

impl Typed {
    fn of(form: &mut Form) -> Self {
        let removing = form.take(REMOVE).is_some();
        Self { fields: Fields::typed(NAMES, form), removing }
    }

    /// Returns the body that the API takes. An address of which nothing is typed is none.
    fn body(&self) -> Result<PutCustomer, Problem> {
        self.fields.body_with(|json| {
            if self.has_no_address() && (self.removing || json.contains_key("address")) {
                json.insert("address".into(), Json::Null);
            }
        })
    }

    fn has_no_address(&self) -> bool {
        self.removing || ADDRESS.iter().all(|name| self.fields.text(name).trim().is_empty())
    }
}

pub(super) async fn submit(visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    let version = form.take(VERSION).unwrap_or_default();
    let typed = Typed::of(&mut form);
    match change(&visit, &version, &typed, &form).await {
        Ok(()) => Ok(visit.done(OVERVIEW, "profile")),
        Err(Problem::TokenMissing | Problem::SessionEnded) => {
            sign_in_first(visit, "profile", &carried(&version, &typed))
        }
        Err(problem) => refused(visit, version, typed, problem).await,
    }
}

async fn change(visit: &Visit, version: &str, typed: &Typed, form: &Form) -> Result<(), Problem> {
    let customer = visit.owner()?;
    form.check_empty()?;
    let PutCustomer(change) = typed.body()?;
    let conditions = conditions(&customer, version)?;
    customers::apply(&visit.app, &visit.request, customer, change, conditions).await?;
    Ok(())
}

/// Returns the condition that the customer still has the version that the form was made from.
fn conditions(customer: &OwnedCustomer, version: &str) -> Result<Conditions, Problem> {
    let parts = version.split_once('.').and_then(|(id, version)| Some((CustomerId::parse(id)?, version.parse().ok()?)));
    match parts {
        Some((id, version)) if id == customer.id() => Ok(Conditions::of_version(version)),
        // The form was made for another account, which had signed in before on this device.
        _ => Err(Problem::VersionMismatch),
    }
}

fn tag(customer: CustomerId, version: i64) -> String {
    format!("{customer}.{version}")
}

/// Shows what was typed again. If the customer changed meanwhile, the page shows both, and the form is made from the
/// newest version.
async fn refused(
    mut visit: Visit,
    version: String,
    mut typed: Typed,
    problem: Problem,
) -> Result<HttpResponse, Problem> {
    let versioned = match visit.profile().await {
        Ok(versioned) => Some(versioned),
        Err(Problem::TokenMissing | Problem::SessionEnded) => {
            return sign_in_first(visit, "profile", &carried(&version, &typed));
        }
        // Without the database there is still what was typed.
        Err(_) => None,
    };
    match versioned {
        Some(Versioned { customer, version }) if matches!(problem, Problem::VersionMismatch) => {
            typed.fields.hide(VERSION, tag(visit.owner()?.id(), version));
            conflict(&visit, typed, &customer)
        }
        versioned => {
            typed.fields.hide(VERSION, version);
            let customer = versioned.map(|versioned| versioned.customer);
            let more = more(&visit, customer.as_ref(), &typed, false);
            visit.refused(TEMPLATE, customer.as_ref(), &mut typed.fields, &problem, more)
        }
    }
}

fn conflict(visit: &Visit, mut typed: Typed, customer: &Customer) -> Result<HttpResponse, Problem> {
    if !show_differences(visit, &mut typed, customer) {
        // The form was sent twice, or somebody else changed the same.
        return Ok(visit.done(OVERVIEW, "profile"));
    }
    let more = more(visit, Some(customer), &typed, true);
    let shown = Shown { status: StatusCode::CONFLICT, ..Shown::to(customer).with(&typed.fields) };
    visit.page(TEMPLATE, shown, more)
}

/// Shows what is stored at each field where something else was typed. Returns whether there is such a field.
fn show_differences(visit: &Visit, typed: &mut Typed, customer: &Customer) -> bool {
    let stored = stored(customer);
    let removes = typed.removing && customer.address.is_some();
    let mut differs = removes;
    for name in NAMES {
        let (own, now) = (normal(typed.fields.text(name)), stored.text(name));
        let is_kept = typed.removing && name.starts_with("address.");
        if own != now && !is_kept {
            typed.fields.set_stored(name, in_words(visit, customer, name, now));
            differs = true;
        }
    }
    differs
}

fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a stored value as the page writes it.
fn in_words(visit: &Visit, customer: &Customer, name: &str, stored: &str) -> String {
    match (name, customer.date_of_birth) {
        ("date_of_birth", Some(date)) => dates::day(visit.messages(), date),
        ("address.country", _) => countries::name(visit.language, stored).to_owned(),
        _ => stored.to_owned(),
    }
}

/// Returns what signing in carries. The version says whose form it is, also without a cookie.
fn carried(version: &str, typed: &Typed) -> Carried {
    let owner = version.split('.').next().unwrap_or_default();
    let mut carried = Carried::of_fields(owner, &typed.fields);
    carried.add(VERSION, version);
    if typed.removing {
        carried.add(REMOVE, "yes");
    }
    carried
}

/// Shows the form again after signing in, with what was typed before.
pub(super) async fn resume(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    let version = form.take(VERSION).unwrap_or_default();
    let mut typed = Typed::of(&mut form);
    typed.fields.hide(VERSION, version);
    let versioned = visit.profile().await?;
    let more = more(&visit, Some(&versioned.customer), &typed, false);
    visit.page(TEMPLATE, Shown::to(&versioned.customer).with(&typed.fields), more)
}

/// Returns the fields with what is stored.
fn stored(customer: &Customer) -> Fields {
    let mut fields = Fields::new(NAMES);
    fields.set("first_name", &*customer.first_name);
    fields.set("last_name", &*customer.last_name);
    fields.set("date_of_birth", customer.date_of_birth.map(|date| date.to_string()).unwrap_or_default());
    if let Some(address) = &customer.address {
        let postal_code = address.postal_code.as_ref().map_or("", |code| code.as_str());
        let state = address.state.as_deref().unwrap_or_default();
        let texts = [&*address.street_address, postal_code, &*address.city, state, &*address.country];
        for (name, text) in ADDRESS.into_iter().zip(texts) {
            fields.set(name, text);
        }
    }
    fields
}

/// Returns the page's own variables.
fn more(visit: &Visit, customer: Option<&Customer>, typed: &Typed, conflict: bool) -> Value {
    context! {
        has_address => typed.removing || customer.is_some_and(|customer| customer.address.is_some()),
        removing => typed.removing,
        countries => countries::choices(visit.language, typed.fields.text("address.country")),
        conflict,
        latest_birth_date => (Utc::now() + Duration::hours(14)).date_naive().to_string(),
    }
}
