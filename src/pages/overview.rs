//! `/account/`

use actix_web::HttpResponse;
use minijinja::{Value, context};

use super::visit::{Shown, Visit, name};
use super::{countries, dates};
use crate::customers::Address;
use crate::http::{Language, Problem};
use crate::recovery::email as recovery;
use crate::recovery::email::State;
use crate::sessions::routes as sessions;

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let versioned = visit.profile().await?;
    let count = sessions::all_of(&visit.app, visit.owner()?).await?.len();
    let (verified, pending) = email(&visit).await?;
    let customer = &versioned.customer;
    let shown = context! {
        name => name(customer),
        email => customer.email.as_str(),
        verified,
        date_of_birth => customer.date_of_birth.map(|date| dates::day(visit.messages(), date)),
        address => customer.address.as_ref().map(|address| lines(visit.language, address)),
    };
    let more = context! { customer => shown, pending, sessions => count };
    visit.page("overview.html", Shown::to(customer), more)
}

/// Returns whether the email is verified, and the new one that waits. Without mail, nobody can verify an email.
async fn email(visit: &Visit) -> Result<(bool, Option<String>), Problem> {
    if !visit.app.sends_mail {
        return Ok((true, None));
    }
    let State { verified, pending, .. } = recovery::state(&visit.app, visit.owner()?).await?;
    Ok((verified, pending.map(|(email, _)| email)))
}

/// Returns the lines of an address.
fn lines(language: Language, address: &Address) -> Value {
    let postal_code = address.postal_code.as_ref().map(|code| code.as_str());
    let city = [postal_code, Some(address.city.as_str())].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let country = countries::name(language, &address.country);
    let lines = [Some(address.street_address.as_str()), Some(&city), address.state.as_deref(), Some(country)];
    Value::from_iter(lines.into_iter().flatten())
}
