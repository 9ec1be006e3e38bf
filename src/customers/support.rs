//! What the operator does to single customers. A change and its rows in the history are one transaction.

use diesel::prelude::*;
use diesel::sql_types::Text;
use serde::Serialize;

use super::change::Change;
use super::fields::{Email, Name};
use super::model::Versioned;
use super::personal_data::{PersonalData, personal_data};
use super::update::{Update, Updates};
use crate::db::{Batch, DbConnection, DbError, DbResult, UtcMicros, in_transaction};
use crate::events::Event;
use crate::history::{self, Caller, Entry};
use crate::http::conditional::Conditions;
use crate::http::{Denied, Operator, OwnedCustomer};
use crate::ids::{CustomerId, EntryId};
use crate::outbox::{self, Mail};
use crate::schema::{customers, passwords};
use crate::sessions::end_all_of;
use crate::settings::EmailRule;

diesel::define_sql_function! {
    /// Converts to lower case. SQLite converts only ASCII letters.
    fn lower(text: Text) -> Text;
}

/// A customer as a search finds one.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The customer's id.
    pub id: i64,
    /// As typed.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Unique.
    pub slug: String,
    /// When the customer registered.
    pub created_at: String,
    /// When the account was disabled.
    pub disabled_at: Option<String>,
}

type FoundRow = (i64, String, String, String, String, UtcMicros, Option<UtcMicros>);

/// Returns the id of the customer who has this email.
///
/// # Errors
/// See [`DbError`].
pub fn find_by_email(connection: &mut DbConnection, _: Operator, email: &Email) -> DbResult<Option<CustomerId>> {
    let same = customers::email_canonical.eq(email.canonical());
    let ids = customers::table.filter(same).select(customers::id).load::<i64>(connection)?;
    Ok(ids.first().copied().and_then(CustomerId::new))
}

/// Returns customers whose email, name or slug contains a text, ordered by id, from the first id above `after`. Case
/// does not matter, nor do accents, because slugs have none.
///
/// # Errors
/// See [`DbError`].
pub fn find_like(
    connection: &mut DbConnection,
    _: Operator,
    text: &str,
    after: i64,
    limit: i64,
) -> DbResult<Vec<Found>> {
    let (typed, small) = (pattern(text), pattern(&text.to_lowercase()));
    let slug = if text.contains('@') { String::new() } else { pattern(&Name::from(text.to_owned()).slug) };
    let full_name = customers::first_name.concat(" ").concat(customers::last_name);
    let rows = customers::table
        .filter(customers::id.gt(after))
        .filter(
            lower(customers::email)
                .like(&small)
                .escape('\\')
                .or(customers::email_canonical.like(&small).escape('\\'))
                .or(lower(full_name).like(&small).escape('\\'))
                .or(full_name.like(&typed).escape('\\'))
                .or(customers::slug.like(slug).escape('\\')),
        )
        .order(customers::id)
        .limit(limit)
        .select((
            customers::id,
            customers::email,
            customers::first_name,
            customers::last_name,
            customers::slug,
            customers::created_at,
            customers::disabled_at,
        ))
        .load::<FoundRow>(connection)?;
    Ok(rows.into_iter().map(Found::from).collect())
}

/// Returns a pattern that matches every text with `text` in it. For an empty text it matches nothing that is stored.
fn pattern(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    if escaped.is_empty() { escaped } else { format!("%{escaped}%") }
}

impl From<FoundRow> for Found {
    fn from((id, email, first_name, last_name, slug, created_at, disabled_at): FoundRow) -> Self {
        let (created_at, disabled_at) = (created_at.to_rfc3339(), disabled_at.map(UtcMicros::to_rfc3339));
        Self { id, email, first_name, last_name, slug, created_at, disabled_at }
    }
}

/// Records in the history that the operator changed something.
///
/// # Errors
/// See [`DbError`].
pub fn note_operator(connection: &mut DbConnection, _: Operator, id: CustomerId, caller: &Caller) -> DbResult<()> {
    history::add(connection, Event::Operator, id, None, caller)
}

/// Changes a profile as PATCH does, even if the account is disabled.
///
/// # Errors
/// See [`DbError`].
pub fn change(
    connection: &mut DbConnection,
    operator: Operator,
    id: CustomerId,
    change: &Change,
    caller: &Caller,
) -> DbResult<Result<Versioned, Denied>> {
    in_transaction(connection, |connection| {
        let customer = OwnedCustomer::of_operator(operator, id);
        let (conditions, caller) = (Conditions::default(), caller.clone());
        let update = Update { customer, change: change.clone(), email_rule: EmailRule::Immediate, conditions, caller };
        let outcome = Updates::apply(connection, std::slice::from_ref(&update))?.pop();
        match outcome.unwrap_or_else(|| Err(DbError::Internal("an update without an outcome".into())))? {
            Ok(done) => {
                note_operator(connection, operator, id, &update.caller)?;
                Ok(Ok(*done.versioned))
            }
            Err(denied) => Ok(Err(denied)),
        }
    })
}

/// Sets a password and ends all sessions. Returns how many, or `None` if there is no such customer.
///
/// # Errors
/// See [`DbError`].
pub fn set_password(
    connection: &mut DbConnection,
    operator: Operator,
    id: CustomerId,
    hash: &str,
    caller: &Caller,
) -> DbResult<Option<usize>> {
    in_transaction(connection, |connection| {
        if !exists(connection, id)? {
            return Ok(None);
        }
        let changed_at = passwords::changed_at.eq(UtcMicros::now());
        // Like after a change by the customer, no network is known any more.
        let fresh = (passwords::hash.eq(hash), changed_at, passwords::networks.eq(None::<String>));
        if diesel::update(passwords::table.find(id.get())).set(fresh).execute(connection)? == 0 {
            let added = (passwords::customer_id.eq(id.get()), passwords::hash.eq(hash), changed_at);
            diesel::insert_into(passwords::table).values(added).execute(connection)?;
        }
        history::add(connection, Event::PasswordChange, id, None, caller)?;
        outbox::end_links(connection, &[id])?;
        outbox::add(connection, caller, Some(id), Mail::PasswordChanged)?;
        note_operator(connection, operator, id, caller)?;
        end_all_of(connection, id).map(Some)
    })
}

/// Disables an account and ends its sessions, or enables it. Returns whether that was a change, or `None` if there is
/// no such customer.
///
/// # Errors
/// See [`DbError`].
pub fn set_disabled(
    connection: &mut DbConnection,
    operator: Operator,
    id: CustomerId,
    disabled: bool,
    caller: &Caller,
) -> DbResult<Option<bool>> {
    in_transaction(connection, |connection| {
        if !exists(connection, id)? {
            return Ok(None);
        }
        let own = customers::table.find(id.get());
        let changed = if disabled {
            let now = customers::disabled_at.eq(UtcMicros::now());
            diesel::update(own.filter(customers::disabled_at.is_null())).set(now).execute(connection)?
        } else {
            let never = customers::disabled_at.eq(None::<UtcMicros>);
            diesel::update(own.filter(customers::disabled_at.is_not_null())).set(never).execute(connection)?
        };
        if disabled {
            // Waits for a sign-in in progress, whose session ends too. Later ones find the account disabled.
            let password = passwords::table.find(id.get());
            diesel::update(password).set(passwords::hash.eq(passwords::hash)).execute(connection)?;
            end_all_of(connection, id)?;
        }
        if changed > 0 {
            let event = if disabled { Event::Disabled } else { Event::Enabled };
            history::add(connection, event, id, None, caller)?;
            note_operator(connection, operator, id, caller)?;
        }
        Ok(Some(changed > 0))
    })
}

/// Ends all sessions. Returns how many, or `None` if there is no such customer.
///
/// # Errors
/// See [`DbError`].
pub fn end_sessions(
    connection: &mut DbConnection,
    operator: Operator,
    id: CustomerId,
    caller: &Caller,
) -> DbResult<Option<usize>> {
    in_transaction(connection, |connection| {
        if !exists(connection, id)? {
            return Ok(None);
        }
        let ended = end_all_of(connection, id)?;
        if ended > 0 {
            history::add(connection, Event::SignOut, id, None, caller)?;
            note_operator(connection, operator, id, caller)?;
        }
        Ok(Some(ended))
    })
}

/// Returns a page of a customer's history, newest first, or `None` if there is no such customer.
pub(crate) fn history_of(
    connection: &mut DbConnection,
    _: Operator,
    id: CustomerId,
    limit: i64,
    before: Option<EntryId>,
) -> DbResult<Option<Vec<Entry>>> {
    match exists(connection, id)? {
        true => history::of_customer(connection, id, Some(limit), before).map(Some),
        false => Ok(None),
    }
}

/// Returns all data about a customer, for the customer, and records the export in the history.
pub(crate) fn personal_data_of(
    connection: &mut DbConnection,
    operator: Operator,
    id: CustomerId,
    caller: &Caller,
) -> DbResult<Result<PersonalData, Denied>> {
    let customer = OwnedCustomer::of_operator(operator, id);
    in_transaction(connection, |connection| personal_data(connection, &customer, caller))
}

fn exists(connection: &mut DbConnection, id: CustomerId) -> DbResult<bool> {
    Ok(!customers::table.find(id.get()).select(customers::id).load::<i64>(connection)?.is_empty())
}
