//! Statements of the delivery. Each function is one statement or one transaction.

use chrono::{TimeDelta, Utc};
use diesel::dsl::{count_star, min};
use diesel::prelude::*;

use super::rows::MAIL;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::ids::{CustomerId, EntryId};
use crate::schema::{customers, links, outbox};

/// The most rows that are taken at a time.
const MOST: i64 = 10;
/// The most rows that one sweep changes, so that it does not hold locks for long.
const SWEPT: i64 = 1_000;
/// How long a row that was taken is not due for others. Longer than the delivery of one row takes.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// How long delivery is tried.
const TRIED: TimeDelta = TimeDelta::days(2);
/// How long a row whose delivery has failed stays visible.
const VISIBLE: TimeDelta = TimeDelta::days(30);

/// A row that this thread delivers, until its time is over and another thread may take it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) id: EntryId,
    due_at: UtcMicros,
}

/// A row whose delivery begins.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) lease: Lease,
    pub(super) customer: Option<CustomerId>,
    pub(super) content: String,
    /// How often delivery was begun, this time included.
    pub(super) attempts: i64,
}

/// Takes some of the mails that are due. Until their lease ends, they are not due for others.
pub(super) fn take(connection: &mut DbConnection) -> DbResult<Vec<Lease>> {
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
        let due_at = now.plus(LEASE);
        // Without an error, a row that is being delivered differs from one that waits to be tried again.
        let lease = (outbox::due_at.eq(due_at), outbox::error.eq(None::<String>));
        diesel::update(outbox::table.filter(outbox::id.eq_any(&ids))).set(lease).execute(connection)?;
        // In the order in which they are due, so that a mail that delays the others does so once.
        Ok(ids.into_iter().map(|id| Lease { id: EntryId::of_row(id), due_at }).collect())
    })
}

/// Renews a lease, counts the attempt and returns what the row holds. `None` if the row was deleted, or another thread has taken
/// it.
pub(super) fn begin(connection: &mut DbConnection, lease: Lease) -> DbResult<Option<Begun>> {
    let due_at = UtcMicros::now().plus(LEASE);
    let begun = diesel::update(outbox::table.filter(leased(lease)))
        .set((outbox::due_at.eq(due_at), outbox::attempts.eq(outbox::attempts + 1)))
        .returning((outbox::customer_id, outbox::content, outbox::attempts))
        .get_results::<(Option<i64>, String, i64)>(connection)?;
    Ok(begun.into_iter().next().map(|(customer, content, attempts)| Begun {
        lease: Lease { due_at, ..lease },
        customer: customer.and_then(CustomerId::new),
        content,
        attempts,
    }))
}

/// The row of a lease, unless another thread has taken it since.
#[diesel::dsl::auto_type]
fn leased(lease: Lease) -> _ {
    let id: i64 = lease.id.get();
    let due_at: UtcMicros = lease.due_at;
    outbox::id.eq(id).and(outbox::due_at.eq(due_at))
}

/// Deletes a row that is delivered, or need not be any more.
pub(super) fn delete(connection: &mut DbConnection, id: EntryId) -> DbResult<()> {
    diesel::delete(outbox::table.find(id.get())).execute(connection)?;
    Ok(())
}

/// Makes a row due again later. Its link, if it has one, is kept until then.
pub(super) fn retry(connection: &mut DbConnection, lease: Lease, pause: TimeDelta, reason: &str) -> DbResult<()> {
    connection.transaction(|connection| {
        let due_at = UtcMicros::now().plus(pause);
        let later = (outbox::due_at.eq(due_at), outbox::error.eq(reason));
        diesel::update(outbox::table.filter(leased(lease))).set(later).execute(connection)?;
        // Otherwise it could be swept before the next attempt, which would take the link for a used one.
        diesel::update(links::table.find(lease.id.get()).filter(links::expires_at.lt(due_at.plus(LEASE))))
            .set(links::expires_at.eq(due_at.plus(LEASE)))
            .execute(connection)?;
        Ok(())
    })
}

/// Makes rows due at once whose delivery was not begun.
pub(super) fn give_back(connection: &mut DbConnection, leases: &[Lease], reason: Option<&str>) -> DbResult<()> {
    let ids: Vec<i64> = leases.iter().map(|lease| lease.id.get()).collect();
    // They were taken together.
    let Some(lease) = leases.first() else { return Ok(()) };
    diesel::update(outbox::table.filter(outbox::id.eq_any(ids).and(outbox::due_at.eq(lease.due_at))))
        .set((outbox::due_at.eq(UtcMicros::now()), outbox::error.eq(reason)))
        .execute(connection)?;
    Ok(())
}

/// Makes a row due at once and does not count the attempt, because the server could not be reached.
pub(super) fn take_back(connection: &mut DbConnection, lease: Lease, reason: &str) -> DbResult<()> {
    let now = outbox::due_at.eq(UtcMicros::now());
    let again = (now, outbox::attempts.eq(outbox::attempts - 1), outbox::error.eq(reason));
    diesel::update(outbox::table.filter(leased(lease))).set(again).execute(connection)?;
    Ok(())
}

/// Ends the delivery of a row. It stays visible, without content.
pub(super) fn fail(connection: &mut DbConnection, lease: Lease, reason: &str) -> DbResult<()> {
    diesel::update(outbox::table.filter(leased(lease)))
        .set((outbox::due_at.eq(None::<UtcMicros>), outbox::content.eq(""), outbox::error.eq(reason)))
        .execute(connection)?;
    Ok(())
}

/// Ends the delivery of some rows that could not be delivered for two days, deletes old rows whose delivery has failed, and
/// returns the first.
pub(super) fn sweep(connection: &mut DbConnection) -> DbResult<Vec<(EntryId, Option<CustomerId>)>> {
    let before = |span: TimeDelta| EntryId::least_at(Utc::now() - span).get();
    let old = outbox::table.filter(outbox::due_at.is_null().and(outbox::id.lt(before(VISIBLE))));
    let old = old.select(outbox::id).limit(SWEPT).load::<i64>(connection)?;
    diesel::delete(outbox::table.filter(outbox::id.eq_any(old))).execute(connection)?;
    let late = outbox::due_at.is_not_null().and(outbox::error.is_not_null()).and(outbox::id.lt(before(TRIED)));
    let ids = outbox::table.filter(outbox::kind.eq(MAIL).and(late)).select(outbox::id).limit(SWEPT);
    let ids = ids.load::<i64>(connection)?;
    let given_up = diesel::update(outbox::table.filter(outbox::id.eq_any(ids).and(late)))
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
