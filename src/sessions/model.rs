//! Sessions as rows and in replies.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::UtcMicros;
use crate::http::ClientNetwork;
use crate::ids::{CustomerId, SessionId};
use crate::schema::sessions;
use crate::settings;

/// A session's row.
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
    /// Creates a session that begins now.
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
            user_agent: user_agent.map(ToOwned::to_owned),
            network: Some(network.to_string()),
            repeated: false,
        }
    }
}

/// A session in a reply.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionInfo {
    #[schema(pattern = "^[1-9][0-9]{0,15}$", example = "5126384")]
    id: String,
    /// When the customer signed in.
    #[schema(format = DateTime, example = "2026-11-23T12:00:00.000Z")]
    started: String,
    #[schema(format = DateTime, example = "2026-11-23T12:00:00.000Z")]
    last_refreshed: String,
    #[schema(required, example = "curl/8.5.0")]
    user_agent: Option<String>,
    /// Whether this is the session of the request's token.
    current: bool,
}

impl SessionInfo {
    /// Converts a row. `own` is the session of the request's token.
    pub(crate) fn new(session: Session, own: Option<SessionId>) -> Self {
        Self {
            id: session.id.to_string(),
            started: session.started_at.to_rfc3339(),
            last_refreshed: session.refreshed_at.to_rfc3339(),
            user_agent: session.user_agent,
            current: own.is_some_and(|own| own.get() == session.id),
        }
    }
}

/// What else a sign-in checks and tells.
#[derive(Clone, Copy, Debug)]
pub struct SignInRules {
    /// Whether the email must be verified.
    pub requires_verified_email: bool,
    /// Whether a network that was not seen before is told by mail.
    pub notifies_new_networks: bool,
}

impl From<&settings::Auth> for SignInRules {
    fn from(auth: &settings::Auth) -> Self {
        Self {
            requires_verified_email: auth.verified_email == settings::VerifiedEmail::Required,
            notifies_new_networks: auth.notify_new_networks,
        }
    }
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// The time without a refresh after which a session ends.
    pub idle: TimeDelta,
    /// The time after which a session ends in any case.
    pub absolute: TimeDelta,
}

impl From<&settings::Auth> for Lifetimes {
    fn from(auth: &settings::Auth) -> Self {
        let span = |seconds: u64| TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000));
        Self { idle: span(auth.session_idle_seconds), absolute: span(auth.session_absolute_seconds) }
    }
}
