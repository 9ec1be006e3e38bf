//! The reading and the sweep.

use chrono::{TimeDelta, Utc};
use diesel::prelude::*;

use super::entry::Entry;
use crate::customers::find_owned;
use crate::db::{DbConnection, DbResult};
use crate::http::{Denied, OwnedCustomer};
use crate::ids::{CustomerId, EntryId};
use crate::schema::history;

/// Rows that one sweep statement deletes, so that it holds no lock for long.
const SWEPT: i64 = 1_000;

/// A page of the owner's history, the newest first.
pub(super) fn owned(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    limit: i64,
    before: Option<EntryId>,
) -> DbResult<Result<Vec<Entry>, Denied>> {
    match find_owned(connection, customer)? {
        Ok(_) => Ok(Ok(of_customer(connection, customer.id(), Some(limit), before)?)),
        Err(denied) => Ok(Err(denied)),
    }
}

/// A customer's history, the newest first: a page of it, or all. Whoever calls it has decided that it may be read.
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

/// Deletes some of the rows that are older than so many days; how many.
pub(crate) fn sweep(connection: &mut DbConnection, days: u32) -> DbResult<usize> {
    let oldest = EntryId::least_at(Utc::now() - TimeDelta::days(days.into())).get();
    let old = history::table.filter(history::id.lt(oldest)).order(history::id).limit(SWEPT);
    let ids = old.select(history::id).load::<i64>(connection)?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(history::table.filter(history::id.eq_any(ids))).execute(connection)?)
}
