//! Statements of the delivery. Each function is one statement or one transaction.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use diesel::dsl::{count_star, min};
use diesel::prelude::*;

use super::rows::MAIL;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::ids::{CustomerId, EntryId};
use crate::schema::{customers, links, outbox};

/// The most rows that are taken or swept at a time.
const MOST: i64 = 10;
/// How long a row that was taken is not due for others. Longer than the delivery of one row takes.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// How long delivery is tried.
const TRIED: TimeDelta = TimeDelta::days(2);
/// How long a row whose delivery has failed stays visible.
const VISIBLE: TimeDelta = TimeDelta::days(30);

/// A row that this thread delivers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) id: EntryId,
    /// How often delivery was begun, this time included. Tells whether another thread has taken the row since.
    pub(super) attempts: i64,
}

/// What a taken row holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) customer: Option<CustomerId>,
    pub(super) content: String,
}

/// Takes some of the mails that are due. Until their lease ends, they are not due for others.
pub(super) fn take(connection: &mut DbConnection) -> DbResult<Vec<Taken>> {
    connection.transaction(|connection| {
        let now = UtcMicros::now();
        let due = outbox::table
            .filter(outbox::kind.eq(MAIL).and(outbox::due_at.le(now)))
            .order(outbox::due_at)
            .limit(MOST)
            .select(outbox::id);
        let ids = match connection {
            DbConnection::Postgres(postgres) => due.for_update().skip_locked().load::<i64>(postgres)?,
            DbConnection::Sqlite(sqlite) => due.load::<i64>(sqlite)?,
        };
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let attempts: BTreeMap<i64, i64> = diesel::update(outbox::table.filter(outbox::id.eq_any(&ids)))
            .set((
                outbox::due_at.eq(now.plus(LEASE)),
                outbox::attempts.eq(outbox::attempts + 1),
                // Tells a row that is being delivered from one that waits to be tried again.
                outbox::error.eq(None::<String>),
            ))
            .returning((outbox::id, outbox::attempts))
            .get_results::<(i64, i64)>(connection)?
            .into_iter()
            .collect();
        // In the order in which they are due, so that a mail that delays the others does so once.
        let taken = |id: i64| attempts.get(&id).map(|attempts| Taken { id: EntryId::of_row(id), attempts: *attempts });
        Ok(ids.into_iter().filter_map(taken).collect())
    })
}

/// Renews the lease of a row and returns what the row holds. `None` if the row was deleted, or another thread has taken it.
pub(super) fn hold(connection: &mut DbConnection, taken: Taken) -> DbResult<Option<Held>> {
    let row = outbox::id.eq(taken.id.get()).and(outbox::attempts.eq(taken.attempts)).and(outbox::due_at.is_not_null());
    let held = diesel::update(outbox::table.filter(row))
        .set(outbox::due_at.eq(UtcMicros::now().plus(LEASE)))
        .returning((outbox::customer_id, outbox::content))
        .get_results::<(Option<i64>, String)>(connection)?;
    let held = held.into_iter().next();
    Ok(held.map(|(customer, content)| Held { customer: customer.and_then(CustomerId::new), content }))
}

/// Deletes a row that is delivered, or need not be any more.
pub(super) fn delete(connection: &mut DbConnection, id: EntryId) -> DbResult<()> {
    diesel::delete(outbox::table.find(id.get())).execute(connection)?;
    Ok(())
}

/// Makes a row due again later. Its link, if it has one, is kept until then.
pub(super) fn retry(connection: &mut DbConnection, id: EntryId, pause: TimeDelta, reason: &str) -> DbResult<()> {
    connection.transaction(|connection| {
        let due_at = UtcMicros::now().plus(pause);
        diesel::update(outbox::table.find(id.get()))
            .set((outbox::due_at.eq(due_at), outbox::error.eq(reason)))
            .execute(connection)?;
        // Otherwise it could be swept before the next attempt, which would take the link for a used one.
        diesel::update(links::table.find(id.get()).filter(links::expires_at.lt(due_at.plus(LEASE))))
            .set(links::expires_at.eq(due_at.plus(LEASE)))
            .execute(connection)?;
        Ok(())
    })
}

/// Makes rows due at once and does not count the attempt, because the server could not be reached.
pub(super) fn give_back(connection: &mut DbConnection, rows: &[Taken], reason: Option<&str>) -> DbResult<()> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id.get()).collect();
    let given_back = diesel::update(outbox::table.filter(outbox::id.eq_any(ids).and(outbox::due_at.is_not_null())));
    let set = (outbox::due_at.eq(UtcMicros::now()), outbox::attempts.eq(outbox::attempts - 1));
    match reason {
        Some(reason) => given_back.set((set, outbox::error.eq(reason))).execute(connection)?,
        None => given_back.set(set).execute(connection)?,
    };
    Ok(())
}

/// Ends the delivery of a row. It stays visible, without content.
pub(super) fn fail(connection: &mut DbConnection, id: EntryId, reason: &str) -> DbResult<()> {
    diesel::update(outbox::table.find(id.get()))
        .set((outbox::due_at.eq(None::<UtcMicros>), outbox::content.eq(""), outbox::error.eq(reason)))
        .execute(connection)?;
    Ok(())
}

/// Ends the delivery of rows that could not be delivered for two days, deletes old rows whose delivery has failed, and
/// returns the first.
pub(super) fn sweep(connection: &mut DbConnection) -> DbResult<Vec<(EntryId, Option<CustomerId>)>> {
    let before = |span: TimeDelta| EntryId::least_at(Utc::now() - span).get();
    let failed = outbox::due_at.is_null().and(outbox::id.lt(before(VISIBLE)));
    diesel::delete(outbox::table.filter(failed)).execute(connection)?;
    let late = outbox::due_at.is_not_null().and(outbox::error.is_not_null()).and(outbox::id.lt(before(TRIED)));
    let given_up = diesel::update(outbox::table.filter(outbox::kind.eq(MAIL).and(late)))
        .set((outbox::due_at.eq(None::<UtcMicros>), outbox::content.eq("")))
        .returning((outbox::id, outbox::customer_id))
        .get_results::<(i64, Option<i64>)>(connection)?;
    let known = |(id, customer): (i64, Option<i64>)| (EntryId::of_row(id), customer.and_then(CustomerId::new));
    Ok(given_up.into_iter().map(known).collect())
}

/// How many rows wait, and the oldest of them.
pub(super) fn waiting(connection: &mut DbConnection) -> DbResult<(i64, Option<EntryId>)> {
    let waiting = outbox::table.filter(outbox::due_at.is_not_null()).select((count_star(), min(outbox::id)));
    let (count, oldest) = waiting.first::<(i64, Option<i64>)>(connection)?;
    Ok((count, oldest.map(EntryId::of_row)))
}

/// Returns which of these ids are not customers' any more.
pub(super) fn erased(connection: &mut DbConnection, ids: &[i64]) -> DbResult<Vec<i64>> {
    let found = customers::table.filter(customers::id.eq_any(ids)).select(customers::id).load::<i64>(connection)?;
    Ok(ids.iter().copied().filter(|id| !found.contains(id)).collect())
}
