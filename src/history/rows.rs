//! Adds rows, in the transaction of the change that they record.

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;

use super::caller::Caller;
use super::entry::Entry;
use crate::db::{DbConnection, DbResult};
use crate::events::Event;
use crate::ids::{CustomerId, EntryId, SessionId};
use crate::schema::{customers, history};

/// Adds a row for a customer who exists. Where [`Event::most_an_hour`] sets a limit, it adds none beyond that, and none
/// for a customer who was erased in the meantime.
pub(crate) fn add(
    connection: &mut DbConnection,
    event: Event,
    customer: CustomerId,
    session: Option<SessionId>,
    caller: &Caller,
) -> DbResult<()> {
    if let Some(most) = event.most_an_hour()
        && (is_full(connection, event, customer, most)?
            || !lock(connection, customer)?
            || is_full(connection, event, customer, most)?)
    {
        return Ok(());
    }
    let entry = Entry::new(EntryId::generate(), event, customer, session, caller);
    diesel::insert_into(history::table).values(entry).execute(connection)?;
    Ok(())
}

/// Adds rows for customers who exist, with one statement on PostgreSQL.
pub(crate) fn add_all(connection: &mut DbConnection, entries: &[Entry]) -> DbResult<()> {
    match connection {
        _ if entries.is_empty() => {}
        DbConnection::Postgres(postgres) => {
            diesel::insert_into(history::table).values(entries).execute(postgres)?;
        }
        DbConnection::Sqlite(sqlite) => {
            for entry in entries {
                diesel::insert_into(history::table).values(entry).execute(sqlite)?;
            }
        }
    }
    Ok(())
}

/// Returns whether the account has reached the limit for this kind in the last hour.
fn is_full(connection: &mut DbConnection, event: Event, customer: CustomerId, most: i64) -> DbResult<bool> {
    let hour_ago = EntryId::least_at(Utc::now() - TimeDelta::hours(1)).get();
    let rows = history::table
        .filter(history::customer_id.eq(customer.get()).and(history::id.ge(hour_ago)))
        .filter(history::kind.eq(event.name()))
        .limit(most)
        .select(history::id)
        .load::<i64>(connection)?;
    Ok(i64::try_from(rows.len()).is_ok_and(|count| count >= most))
}

/// Locks the customer's row, so that transactions that count the customer's rows run one after the other and the
/// customer is not erased in between. Returns whether there is such a customer. SQLite has one writer anyway.
fn lock(connection: &mut DbConnection, customer: CustomerId) -> DbResult<bool> {
    let row = customers::table.find(customer.get()).select(customers::id);
    let found = match connection {
        DbConnection::Postgres(postgres) => row.for_no_key_update().load::<i64>(postgres)?,
        DbConnection::Sqlite(sqlite) => row.load::<i64>(sqlite)?,
    };
    Ok(!found.is_empty())
}
