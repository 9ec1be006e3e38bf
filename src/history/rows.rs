//! The writing of rows, within the transaction of what they tell.

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;

use super::caller::Caller;
use super::entry::Entry;
use crate::db::{DbConnection, DbResult};
use crate::events::Event;
use crate::ids::{CustomerId, EntryId, SessionId};
use crate::schema::{customers, history};

/// Adds a row about a customer who exists. Of what could be repeated without end, rows beyond the most of an hour are left
/// out, and so are those of a customer who was erased meanwhile.
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

/// Adds rows about customers who exist, with one statement on PostgreSQL.
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

/// Whether the account has all the rows of this kind that it may have in an hour.
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

/// Makes those who count one customer's rows wait for each other, and keeps the customer; whether there is one. On SQLite
/// the transaction locks the database when it writes.
fn lock(connection: &mut DbConnection, customer: CustomerId) -> DbResult<bool> {
    let row = customers::table.find(customer.get()).select(customers::id);
    let found = match connection {
        DbConnection::Postgres(postgres) => row.for_no_key_update().load::<i64>(postgres)?,
        DbConnection::Sqlite(sqlite) => row.load::<i64>(sqlite)?,
    };
    Ok(!found.is_empty())
}
