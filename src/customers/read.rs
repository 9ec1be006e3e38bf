//! Reads customers: one statement for one request or for a batch, with or without locking the rows.
//!
//! The statement also checks that the token's session is alive and the account is enabled, so ending a session and
//! disabling an account take effect at once without an extra round trip.

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
        let found = find::<false>(connection, customers.iter().map(key))?;
        Ok(customers.iter().zip(found).map(|(customer, row)| Ok(owned(customer, row).map(Versioned::from))).collect())
    }
}

/// Returns the customer that the principal owns.
pub(crate) fn find_owned(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
) -> DbResult<Result<Versioned, Denied>> {
    let row = find::<false>(connection, std::iter::once(key(customer)))?.pop().flatten();
    Ok(owned(customer, row).map(Versioned::from))
}

/// Returns a customer by id, for the operator.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn find_by_id(connection: &mut DbConnection, _: Operator, id: CustomerId) -> DbResult<Option<Versioned>> {
    find_unowned(connection, id)
}

/// Returns a customer by id without an ownership check. The caller must have decided that the access is allowed.
pub(super) fn find_unowned(connection: &mut DbConnection, id: CustomerId) -> DbResult<Option<Versioned>> {
    let row = find::<false>(connection, std::iter::once((id, None)))?.pop().flatten();
    Ok(row.map(|row| row.stored.into()))
}

/// Returns the customers that exist among `ids`, in the order of `ids`, for the operator.
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

/// The result of [`lock`] for one customer.
pub(super) enum Locked {
    /// The row. No other transaction can change it until this one ends.
    Row(Box<Stored>),
    /// The principal has no access to a row.
    Denied(Denied),
    /// Another transaction has locked the row.
    Busy,
}

/// Reads customers and locks their rows until the transaction ends. Never waits for a lock.
pub(super) fn lock(connection: &mut DbConnection, customers: &[&OwnedCustomer]) -> DbResult<Vec<Locked>> {
    let found = find::<true>(connection, customers.iter().map(|customer| key(customer)))?;
    let absent = customers.iter().zip(&found).filter(|(_, row)| row.is_none()).map(|(customer, _)| customer.id());
    let skipped = existing(connection, absent.map(CustomerId::get).collect())?;
    let locked = |(customer, row): (&&OwnedCustomer, Option<Row>)| {
        // Another transaction changed the row after this statement's snapshot, or holds its lock.
        if row.as_ref().is_some_and(|row| !row.is_current) || skipped.contains(&customer.id().get()) {
            return Locked::Busy;
        }
        owned(customer, row).map_or_else(Locked::Denied, |stored| Locked::Row(Box::new(stored)))
    };
    Ok(customers.iter().zip(found).map(locked).collect())
}

/// Returns the ids that exist. Runs no statement if `ids` is empty.
fn existing(connection: &mut DbConnection, ids: Vec<i64>) -> DbResult<HashSet<i64>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = customers::table.filter(customers::id.eq_any(ids)).select(customers::id).load::<i64>(connection)?;
    Ok(rows.into_iter().collect())
}

fn key(customer: &OwnedCustomer) -> (CustomerId, Option<SessionId>) {
    (customer.id(), customer.session())
}

/// Returns the row if it exists, the token's session is alive and the account is enabled. The operator may use disabled
/// accounts. Erasing a customer erases the sessions too, so without a row the session of a token has ended.
fn owned(customer: &OwnedCustomer, row: Option<Row>) -> Result<Stored, Denied> {
    match row {
        Some(row) if row.session_is_alive && (row.is_enabled || customer.is_operators()) => Ok(row.stored),
        None if customer.session().is_none() => Err(Denied::Missing),
        _ => Err(Denied::SessionEnded),
    }
}

columns! {
    struct Input, InputArrays {
        ord: i32 => Integer,
        customer_id: i64 => BigInt,
        session_id: Option<i64> => Nullable<BigInt>,
    }
}

/// A row of the result.
#[derive(Queryable)]
struct Row {
    ord: i32,
    session_is_alive: bool,
    is_enabled: bool,
    is_current: bool,
    stored: Stored,
}

/// Finds customers and returns their rows in the order of `keys`. `LOCK` locks the rows until the transaction ends and
/// skips those that another transaction has locked. On SQLite it has no effect: the transaction locks the database.
fn find<const LOCK: bool>(
    connection: &mut DbConnection,
    keys: impl Iterator<Item = (CustomerId, Option<SessionId>)>,
) -> DbResult<Vec<Option<Row>>> {
    let input = keys.zip(0..).map(|((id, session), ord)| Input {
        ord,
        customer_id: id.get(),
        session_id: session.map(SessionId::get),
    });
    let input: Vec<Input> = input.collect();
    let rows: Vec<Row> = match connection {
        DbConnection::Postgres(postgres) => Select::<LOCK>(input.iter().collect()).load(postgres)?,
        DbConnection::Sqlite(sqlite) => {
            let mut rows = Vec::with_capacity(input.len());
            for row in &input {
                rows.extend(Select::<LOCK>(std::iter::once(row).collect()).load::<Row>(sqlite)?);
            }
            rows
        }
    };
    let mut found: Vec<Option<Row>> = input.iter().map(|_| None).collect();
    for row in rows {
        if let Some(slot) = usize::try_from(row.ord).ok().and_then(|ord| found.get_mut(ord)) {
            *slot = Some(row);
        }
    }
    Ok(found)
}

/// The statement and its input; see [`crate::db::statement`].
struct Select<'a, const LOCK: bool>(InputArrays<'a>);

impl<const LOCK: bool> Query for Select<'_, LOCK> {
    type SqlType = (Integer, Bool, Bool, Bool, StoredTypes);
}

prepared!(Select, LOCK);

impl<const LOCK: bool> QueryFragment<Pg> for Select<'_, LOCK> {
    /// If another transaction changed the row after this statement's snapshot, PostgreSQL locks and returns the new row
    /// of `c`, but the old rows of the tables joined to it. Comparing `c` with `before`, the same row joined again,
    /// detects this.
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
    push_names(out, "", Input::NAMES);
    out.push_sql(") AS (SELECT ");
}

/// The session is looked up in a subquery. For a join, PostgreSQL might scan the whole table, using a query plan that
/// it made while the table was empty.
fn push_select<DB: Backend>(out: &mut AstPass<'_, '_, DB>, is_current: &str) {
    out.push_sql(
        " SELECT i.ord, i.session_id IS NULL OR (SELECT s.id FROM sessions s
            WHERE s.id = i.session_id AND s.customer_id = i.customer_id) IS NOT NULL, c.disabled_at IS NULL, ",
    );
    out.push_sql(is_current);
    out.push_sql(", c.version, ");
    push_names(out, "c.", CustomerRow::NAMES);
    out.push_sql(", ");
    push_names(out, "a.", AddressRow::NAMES);
    out.push_sql(
        " FROM input i JOIN customers c ON c.id = i.customer_id LEFT JOIN addresses a ON a.customer_id = c.id",
    );
}
