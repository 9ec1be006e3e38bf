//! A row of the history, as stored and as shown.

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use crate::db::UtcMicros;
use crate::events::Event;
use crate::ids::{CustomerId, EntryId, SessionId};
use crate::schema::history;

/// A row of the history.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = history)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    customer_id: i64,
    pub(crate) kind: String,
    pub(crate) at: UtcMicros,
    pub(crate) session_id: Option<i64>,
    pub(crate) network: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) actor: Option<String>,
}

impl Entry {
    /// Makes a row for something that happens now.
    pub(crate) fn new(
        id: EntryId,
        event: Event,
        customer: CustomerId,
        session: Option<SessionId>,
        caller: &Caller,
    ) -> Self {
        Self {
            id: id.get(),
            customer_id: customer.get(),
            kind: event.name().to_owned(),
            at: UtcMicros::now(),
            session_id: session.map(SessionId::get),
            network: caller.network(),
            user_agent: caller.user_agent().map(ToOwned::to_owned),
            actor: caller.actor().map(ToOwned::to_owned),
        }
    }
}

/// A row of the history, as a reply shows it. Customers do not see the operator's name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryEntry {
    /// Use it as `before`.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", example = "1832068377600012345")]
    id: String,
    /// More kinds may be added.
    #[schema(example = "sign_in")]
    kind: String,
    #[schema(format = DateTime, example = "2026-11-23T12:00:00.000Z")]
    at: String,
    /// The session that ended or began, or that sent the request. It may have ended.
    #[schema(required, pattern = "^[1-9][0-9]{0,15}$", example = "5126384")]
    session: Option<String>,
    /// The client's IPv4 /24 or IPv6 /48.
    #[schema(required, example = "198.51.100.0/24")]
    client_network: Option<String>,
    /// The client's `User-Agent`.
    #[schema(required, example = "curl/8.5.0")]
    user_agent: Option<String>,
}

impl From<Entry> for HistoryEntry {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            kind: entry.kind,
            at: entry.at.to_rfc3339(),
            session: entry.session_id.map(|id| id.to_string()),
            client_network: entry.network,
            user_agent: entry.user_agent,
        }
    }
}
