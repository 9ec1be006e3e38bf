//! `/account/history`: what happened to the account.

use actix_web::HttpResponse;
use minijinja::{Value, context};
use url::form_urlencoded::parse;

use super::dates;
use super::devices::device;
use super::visit::{Shown, Visit};
use crate::history::routes as history;
use crate::history::{Entry, Page};
use crate::http::Problem;
use crate::ids::EntryId;

/// The most entries on a page.
const MOST: usize = 20;

pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let versioned = visit.profile().await?;
    let customer = visit.owner()?;
    let own = customer.session();
    let before = parse(visit.request.query_string().as_bytes()).find(|(name, _)| name == "before");
    let before = before.and_then(|(_, id)| EntryId::parse(&id));
    // One entry more than fits shows whether there are older ones.
    let page = Page { limit: i64::try_from(MOST + 1).unwrap_or(i64::MAX), before };
    let mut entries = history::entries(&visit.app, customer, page).await?;
    let has_older = entries.len() > MOST;
    entries.truncate(MOST);
    let last = entries.last().filter(|_| has_older);
    let older = last.map(|entry| format!("/account/history?before={}", entry.id));
    let shown = entries.iter().map(|entry: &Entry| {
        context! {
            kind => entry.kind.as_str(),
            at => dates::time(visit.messages(), entry.at),
            device => device(entry.user_agent.as_deref()),
            network => entry.network.as_deref(),
            current => own.is_some_and(|own| entry.session_id == Some(own.get())),
        }
    });
    let shown = Value::from_iter(shown);
    let more = context! { entries => shown, older, newest => before.is_none(), days => visit.pages.history_days };
    visit.page("history.html", Shown::to(&versioned.customer), more)
}
