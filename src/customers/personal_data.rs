//! All data about a customer, for the customer (GDPR articles 15 and 20).

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::Customer;
use super::read::find_owned;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::events::Event;
use crate::history::{self, Caller, HistoryEntry};
use crate::http::{Denied, OwnedCustomer};
use crate::outbox::{self, Held};
use crate::schema::{customers, passwords, sessions};

/// All personal data of a customer. Password hashes and tokens are not included, because they are secrets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonalData {
    /// The customer's id.
    #[schema(minimum = 1)]
    id: i64,
    /// The profile, as every reply shows it.
    profile: Customer,
    /// The canonical form of the email, which must be unique.
    email_canonical: String,
    /// When the email was verified; null if it was not.
    #[schema(required, format = DateTime)]
    email_verified_at: Option<String>,
    /// When the customer registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When the profile last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When the operator disabled the account; null for an account that can be used.
    #[schema(required, format = DateTime)]
    disabled_at: Option<String>,
    /// How often the profile was written, including the registration.
    #[schema(minimum = 1)]
    version: i64,
    /// Null for a customer who has no password.
    #[schema(required)]
    password: Option<PasswordData>,
    /// The sessions, the newest first. One that has ended may be there for a minute.
    sessions: Vec<SessionData>,
    /// What happened to the account, the newest first.
    history: Vec<HistoryEntry>,
    /// The mails that wait or could not be sent, the oldest first.
    mails: Vec<MailData>,
    /// The links in mails that can still be used, the oldest first.
    links: Vec<LinkData>,
}

/// The data about a mail that waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailData {
    /// What it tells.
    #[schema(example = "verify_email")]
    kind: String,
    /// When it was caused.
    #[schema(format = DateTime)]
    at: String,
}

/// The data about a link, without its token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkData {
    /// `verify`, `reset`, `email_change` or `revert`.
    #[schema(example = "verify")]
    kind: String,
    /// The email that it switches to.
    #[schema(required)]
    email: Option<String>,
    /// When it ends.
    #[schema(format = DateTime)]
    expires: String,
}

/// The data about a password, without its hash.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordData {
    /// When the password was set.
    #[schema(format = DateTime)]
    changed_at: String,
    /// The networks that have signed in with it, the latest first.
    networks: Vec<String>,
}

/// The data about a session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionData {
    /// The session's id.
    #[schema(pattern = "^[1-9][0-9]{0,15}$")]
    id: String,
    /// When the customer signed in.
    #[schema(format = DateTime)]
    started: String,
    /// When the tokens were last refreshed.
    #[schema(format = DateTime)]
    last_refreshed: String,
    /// When the session ends at the latest.
    #[schema(format = DateTime)]
    ends: String,
    /// The `User-Agent` of the client.
    #[schema(required)]
    user_agent: Option<String>,
    /// The network of the last sign-in or refresh.
    #[schema(required)]
    network: Option<String>,
}

type SessionRow = (i64, UtcMicros, UtcMicros, UtcMicros, Option<String>, Option<String>);

/// Returns all data about the customer, and records the export in the history.
pub(super) fn personal_data(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    caller: &Caller,
) -> DbResult<Result<PersonalData, Denied>> {
    connection.transaction(|connection| {
        let versioned = match find_owned(connection, customer)? {
            Ok(versioned) => versioned,
            Err(denied) => return Ok(Err(denied)),
        };
        history::add(connection, Event::Export, customer.id(), customer.session(), caller)?;
        let id = customer.id().get();
        let rest = customers::table
            .find(id)
            .select((
                customers::email_canonical,
                customers::email_verified_at,
                customers::created_at,
                customers::updated_at,
                customers::disabled_at,
            ))
            .load::<(String, Option<UtcMicros>, UtcMicros, UtcMicros, Option<UtcMicros>)>(connection)?
            .pop();
        let Some((email_canonical, verified_at, created_at, updated_at, disabled_at)) = rest else {
            return Ok(Err(Denied::Missing));
        };
        let password = passwords::table
            .find(id)
            .select((passwords::changed_at, passwords::networks))
            .load::<(UtcMicros, Option<String>)>(connection)?
            .pop()
            .map(|(changed_at, networks)| PasswordData {
                changed_at: changed_at.to_rfc3339(),
                networks: networks.unwrap_or_default().split_whitespace().map(ToOwned::to_owned).collect(),
            });
        let sessions = sessions::table
            .filter(sessions::customer_id.eq(id))
            .order((sessions::started_at.desc(), sessions::id.desc()))
            .select((
                sessions::id,
                sessions::started_at,
                sessions::refreshed_at,
                sessions::ends_at,
                sessions::user_agent,
                sessions::network,
            ))
            .load::<SessionRow>(connection)?;
        let history = history::of_customer(connection, customer.id(), None, None)?;
        let Held { mails, links } = outbox::held(connection, customer.id())?;
        Ok(Ok(PersonalData {
            id,
            profile: versioned.customer,
            email_canonical,
            email_verified_at: verified_at.map(UtcMicros::to_rfc3339),
            created_at: created_at.to_rfc3339(),
            updated_at: updated_at.to_rfc3339(),
            disabled_at: disabled_at.map(UtcMicros::to_rfc3339),
            version: versioned.version,
            password,
            sessions: sessions.into_iter().map(SessionData::from).collect(),
            history: history.into_iter().map(HistoryEntry::from).collect(),
            mails: mails.into_iter().map(|(kind, at)| MailData { kind, at: at.to_rfc3339() }).collect(),
            links: links
                .into_iter()
                .map(|(kind, email, expires)| LinkData { kind, email, expires: expires.to_rfc3339() })
                .collect(),
        }))
    })
}

impl From<SessionRow> for SessionData {
    fn from((id, started, last_refreshed, ends, user_agent, network): SessionRow) -> Self {
        Self {
            id: id.to_string(),
            started: started.to_rfc3339(),
            last_refreshed: last_refreshed.to_rfc3339(),
            ends: ends.to_rfc3339(),
            user_agent,
            network,
        }
    }
}
