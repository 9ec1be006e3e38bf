//! Reads the history and deletes old rows.

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;

use super::entry::Entry;
use crate::db::{DbConnection, DbResult};
use crate::ids::{CustomerId, EntryId};
use crate::schema::history;

/// The most rows that one statement deletes, so that it holds no lock for long.
const SWEPT: i64 = 1_000;

/// Returns a page of a customer's history, or all of it, newest first. The caller checks who may read it.
pub(crate) fn of_customer(
    connection: &mut DbConnection,
    customer: CustomerId,
    limit: Option<i64>,
    before: Option<EntryId>,
) -> DbResult<Vec<Entry>> {
    let rows = history::table
        .filter(history::customer_id.eq(customer.get()))
        .filter(history::id.lt(before.map_or(i64::MAX, EntryId::get)))
        .order(history::id.desc())
        .limit(limit.unwrap_or(i64::MAX))
        .select(Entry::as_select())
        .load(connection)?;
    Ok(rows)
}

/// Deletes some of the rows that are older than `days`, and returns how many.
pub(crate) fn sweep(connection: &mut DbConnection, days: u32) -> DbResult<usize> {
    let oldest = EntryId::least_at(Utc::now() - TimeDelta::days(days.into())).get();
    let old = history::table.filter(history::id.lt(oldest)).order(history::id).limit(SWEPT);
    let ids = old.select(history::id).load::<i64>(connection)?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(history::table.filter(history::id.eq_any(ids))).execute(connection)?)
}
