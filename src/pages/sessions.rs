//! `/account/sessions`: the devices on which the customer has signed in.

use actix_web::HttpResponse;
use minijinja::{Value, context};

use super::dates;
use super::destination::SIGN_IN;
use super::devices::device;
use super::form::Form;
use super::visit::{Shown, Visit};
use crate::http::Problem;
use crate::ids::SessionId;
use crate::sessions::Ending;
use crate::sessions::routes as sessions;

const PATH: &str = "/account/sessions";

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let versioned = visit.profile().await?;
    let customer = visit.owner()?;
    let own = customer.session();
    let mut all = sessions::all_of(&visit.app, customer).await?;
    let is_own = |id: i64| own.is_some_and(|own| own.get() == id);
    all.sort_by_key(|session| !is_own(session.id));
    let shown = all.iter().map(|session| {
        context! {
            id => session.id.to_string(),
            device => device(session.user_agent.as_deref()),
            started => dates::time(visit.messages(), session.started_at),
            last_used => dates::time(visit.messages(), session.refreshed_at),
            current => is_own(session.id),
        }
    });
    let shown = Value::from_iter(shown);
    visit.page("sessions.html", Shown::to(&versioned.customer), context! { sessions => shown })
}

/// Ends the session of `session`, or by `action` the others or all.
pub(super) async fn submit(mut visit: Visit, mut form: Form) -> Result<HttpResponse, Problem> {
    let (action, session) = (form.take("action").unwrap_or_default(), form.take("session"));
    form.check_empty()?;
    let customer = visit.owner()?;
    let session = session.and_then(|id| SessionId::parse(&id));
    let ending = match (action.as_str(), session) {
        ("end", Some(session)) => Ending::One(session),
        ("end_others", _) => Ending::Others,
        ("end_all", _) => Ending::All,
        _ => return Err(Problem::MalformedForm),
    };
    // It is no error that a session had ended before.
    sessions::end(&visit.app, &visit.request, customer.clone(), ending).await?;
    let is_signed_out = match ending {
        Ending::One(session) => customer.session() == Some(session),
        Ending::Others => false,
        Ending::All => true,
    };
    if is_signed_out {
        visit.sign_out();
    }
    Ok(match ending {
        Ending::One(_) if is_signed_out => visit.done(SIGN_IN, "signed_out"),
        Ending::One(_) => visit.done(PATH, "session_ended"),
        Ending::Others => visit.done(PATH, "others_ended"),
        Ending::All => visit.done(SIGN_IN, "all_ended"),
    })
}
