//! A session as it is named, stored and shown.

use std::fmt;

use chrono::{SecondsFormat, TimeDelta};
use diesel::prelude::*;
use serde::Serialize;

use crate::customers::{CustomerId, ID_LIMIT, parse_id};
use crate::db::UtcMicros;
use crate::schema::sessions;
use crate::throttle::ClientNetwork;

/// A positive integer below 2^53, drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(i64);

/// Characters of a user agent that are kept.
const USER_AGENT: usize = 255;

impl SessionId {
    /// Draws one; a collision is tried anew by the caller.
    pub fn generate() -> Self {
        Self(rand::random_range(1..ID_LIMIT))
    }

    /// Reads the canonical decimal form.
    pub fn parse(text: &str) -> Option<Self> {
        parse_id(text).map(Self)
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A sign-in.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) customer_id: i64,
    pub(crate) counter: i64,
    pub(crate) started_at: UtcMicros,
    pub(crate) refreshed_at: UtcMicros,
    pub(crate) ends_at: UtcMicros,
    pub(crate) user_agent: Option<String>,
    pub(crate) network: Option<String>,
    pub(crate) repeated: bool,
}

impl Session {
    /// A session that begins now.
    pub(crate) fn new(
        id: SessionId,
        customer: CustomerId,
        lifetime: TimeDelta,
        user_agent: Option<&str>,
        network: ClientNetwork,
    ) -> Self {
        let now = UtcMicros::now();
        Self {
            id: id.get(),
            customer_id: customer.get(),
            counter: 0,
            started_at: now,
            refreshed_at: now,
            ends_at: now.plus(lifetime),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT).collect()),
            network: Some(network.to_string()),
            repeated: false,
        }
    }
}

/// A session as a reply shows one.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: String,
    started: String,
    last_refreshed: String,
    user_agent: Option<String>,
    current: bool,
}

impl Shown {
    /// `current` marks the session of the token that asks.
    pub(crate) fn new(session: Session, own: Option<SessionId>) -> Self {
        let text = |moment: UtcMicros| moment.naive().and_utc().to_rfc3339_opts(SecondsFormat::Millis, true);
        Self {
            id: session.id.to_string(),
            started: text(session.started_at),
            last_refreshed: text(session.refreshed_at),
            user_agent: session.user_agent,
            current: own.is_some_and(|own| own.get() == session.id),
        }
    }
}
