//! The reading of customers: one statement for one request or for a whole batch, with or without locking the rows.
//!
//! The statement that reads a customer also looks whether the token's session is alive and the account is enabled, so
//! ending a session and disabling an account work at once and cost no round trip. This is the only place that asks.

use std::collections::HashSet;

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable};
use diesel::sqlite::Sqlite;

use super::model::{Customer, Versioned};
use super::stored::{AddressRow, CustomerRow, Stored, StoredTypes};
use crate::db::statement::{BindRows, Columns, columns, prepared, push_names};
use crate::db::{Batch, DbConnection, DbResult};
use crate::http::{Denied, Operator, OwnedCustomer};
use crate::ids::{CustomerId, SessionId};
use crate::schema::customers;

/// The batch of reads; see [`crate::db::Lane`].
pub struct Reads;

impl Batch for Reads {
    type Item = OwnedCustomer;
    type Output = Result<Versioned, Denied>;

    const NAME: &'static str = "reads";
    const WRITES: bool = false;

    fn customer(customer: &OwnedCustomer) -> i64 {
        customer.id().get()
    }

    fn apply(connection: &mut DbConnection, customers: &[OwnedCustomer]) -> DbResult<Vec<DbResult<Self::Output>>> {
        let found = find::<false>(connection, customers.iter().map(wanted))?;
        Ok(customers.iter().zip(found).map(|(customer, row)| Ok(owned(customer, row).map(Versioned::from))).collect())
    }
}

/// The customer that the principal owns.
pub(crate) fn find_owned(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
) -> DbResult<Result<Versioned, Denied>> {
    let row = find::<false>(connection, std::iter::once(wanted(customer)))?.pop().flatten();
    Ok(owned(customer, row).map(Versioned::from))
}

/// Returns a customer by id, for the operator.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn find_by_id(connection: &mut DbConnection, _: Operator, id: CustomerId) -> DbResult<Option<Versioned>> {
    find_unowned(connection, id)
}

/// Returns a customer by id, whoever asks: for what has decided by itself that it may.
pub(super) fn find_unowned(connection: &mut DbConnection, id: CustomerId) -> DbResult<Option<Versioned>> {
    let row = find::<false>(connection, std::iter::once((id, None)))?.pop().flatten();
    Ok(row.map(|row| row.stored.into()))
}

/// Those of the customers that exist, in the order of the ids; for the operator.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn find_many(
    connection: &mut DbConnection,
    _: Operator,
    ids: impl Iterator<Item = CustomerId> + Clone,
) -> DbResult<Vec<(CustomerId, Customer)>> {
    let rows = find::<false>(connection, ids.clone().map(|id| (id, None)))?;
    Ok(ids.zip(rows).filter_map(|(id, row)| Some((id, Versioned::from(row?.stored).customer))).collect())
}

/// What [`lock`] finds of one customer.
pub(super) enum Locked {
    /// The row, which stays as it is until the transaction ends.
    Row(Box<Stored>),
    /// There is no row for this principal.
    Denied(Denied),
    /// Another transaction has the row.
    Busy,
}

/// Reads customers and locks their rows until the transaction ends. Waits for nobody's lock.
pub(super) fn lock(connection: &mut DbConnection, customers: &[&OwnedCustomer]) -> DbResult<Vec<Locked>> {
    let found = find::<true>(connection, customers.iter().map(|customer| wanted(customer)))?;
    let absent = customers.iter().zip(&found).filter(|(_, row)| row.is_none()).map(|(customer, _)| customer.id());
    let skipped = existing(connection, absent.map(CustomerId::get).collect())?;
    let locked = |(customer, row): (&&OwnedCustomer, Option<Row>)| {
        // Changed by another transaction between the statement's snapshot and the lock, or locked by one.
        if row.as_ref().is_some_and(|row| !row.is_current) || skipped.contains(&customer.id().get()) {
            return Locked::Busy;
        }
        owned(customer, row).map_or_else(Locked::Denied, |stored| Locked::Row(Box::new(stored)))
    };
    Ok(customers.iter().zip(found).map(locked).collect())
}

/// Those of the ids that exist. Asks nothing where nothing is asked for.
fn existing(connection: &mut DbConnection, ids: Vec<i64>) -> DbResult<HashSet<i64>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = customers::table.filter(customers::id.eq_any(ids)).select(customers::id).load::<i64>(connection)?;
    Ok(rows.into_iter().collect())
}

fn wanted(customer: &OwnedCustomer) -> (CustomerId, Option<SessionId>) {
    (customer.id(), customer.session())
}

/// The row, if there is one, the token's session is alive and the account is enabled, unless the operator asks. Sessions go
/// with their customer, so a token that names one had it ended where there is no row.
fn owned(customer: &OwnedCustomer, row: Option<Row>) -> Result<Stored, Denied> {
    match row {
        Some(row) if row.session_is_alive && (row.is_enabled || customer.is_operators()) => Ok(row.stored),
        None if customer.session().is_none() => Err(Denied::Missing),
        _ => Err(Denied::SessionEnded),
    }
}

columns! {
    struct Wanted, WantedArrays {
        ord: i32 => Integer,
        wanted_id: i64 => BigInt,
        session_id: Option<i64> => Nullable<BigInt>,
    }
}

/// A row that was found.
#[derive(Queryable)]
struct Row {
    ord: i32,
    session_is_alive: bool,
    is_enabled: bool,
    is_current: bool,
    stored: Stored,
}

/// What is found of each customer that is wanted, in order. With `LOCK`, rows that another transaction has locked are
/// passed over, and the others stay locked until the transaction ends. On SQLite the transaction itself locks the database.
fn find<const LOCK: bool>(
    connection: &mut DbConnection,
    wanted: impl Iterator<Item = (CustomerId, Option<SessionId>)>,
) -> DbResult<Vec<Option<Row>>> {
    let wanted = wanted.zip(0..).map(|((id, session), ord)| Wanted {
        ord,
        wanted_id: id.get(),
        session_id: session.map(SessionId::get),
    });
    let wanted: Vec<Wanted> = wanted.collect();
    let rows: Vec<Row> = match connection {
        DbConnection::Postgres(postgres) => Select::<LOCK>(wanted.iter().collect()).load(postgres)?,
        DbConnection::Sqlite(sqlite) => {
            let mut rows = Vec::with_capacity(wanted.len());
            for row in &wanted {
                rows.extend(Select::<LOCK>(std::iter::once(row).collect()).load::<Row>(sqlite)?);
            }
            rows
        }
    };
    let mut found: Vec<Option<Row>> = wanted.iter().map(|_| None).collect();
    for row in rows {
        if let Some(place) = usize::try_from(row.ord).ok().and_then(|ord| found.get_mut(ord)) {
            *place = Some(row);
        }
    }
    Ok(found)
}

/// The statement and its input; see [`crate::db::statement`].
struct Select<'a, const LOCK: bool>(WantedArrays<'a>);

impl<const LOCK: bool> Query for Select<'_, LOCK> {
    type SqlType = (Integer, Bool, Bool, Bool, StoredTypes);
}

prepared!(Select, LOCK);

impl<const LOCK: bool> QueryFragment<Pg> for Select<'_, LOCK> {
    /// Where another transaction changed the row after this statement's snapshot, PostgreSQL locks and yields the new
    /// row of `c`, but the old one of everything that is joined to it. `before` tells.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_input(&mut out);
        out.push_sql("* FROM unnest(");
        self.0.push_arrays(&mut out)?;
        out.push_sql("))");
        push_select(&mut out, if LOCK { "before.version = c.version" } else { "TRUE" });
        if LOCK {
            out.push_sql(" JOIN customers before ON before.id = c.id FOR NO KEY UPDATE OF c SKIP LOCKED");
        }
        Ok(())
    }
}

impl<const LOCK: bool> QueryFragment<Sqlite> for Select<'_, LOCK> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        push_input(&mut out);
        self.0.push_row(&mut out)?;
        out.push_sql(")");
        push_select(&mut out, "TRUE");
        Ok(())
    }
}

fn push_input<DB: Backend>(out: &mut AstPass<'_, '_, DB>) {
    out.push_sql("WITH input (");
    push_names(out, "", Wanted::NAMES);
    out.push_sql(") AS (SELECT ");
}

/// The session is a subquery: PostgreSQL might read the whole table for a join, by a plan made while it was empty.
fn push_select<DB: Backend>(out: &mut AstPass<'_, '_, DB>, is_current: &str) {
    out.push_sql(
        " SELECT i.ord, i.session_id IS NULL OR (SELECT s.id FROM sessions s
            WHERE s.id = i.session_id AND s.customer_id = i.wanted_id) IS NOT NULL, c.disabled_at IS NULL, ",
    );
    out.push_sql(is_current);
    out.push_sql(", c.version, ");
    push_names(out, "c.", CustomerRow::NAMES);
    out.push_sql(", ");
    push_names(out, "a.", AddressRow::NAMES);
    out.push_sql(" FROM input i JOIN customers c ON c.id = i.wanted_id LEFT JOIN addresses a ON a.customer_id = c.id");
}
