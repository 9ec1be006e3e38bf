//! The reading of customers: one statement for one request or for a whole batch, with or without locking the rows.
//!
//! The statement that reads a customer also looks whether the token's session is alive, so ending a session works at
//! once and costs no round trip. This is the only place that asks.

use std::collections::HashSet;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable};
use diesel::sqlite::Sqlite;

use super::model::{Customer, CustomerId, Versioned};
use super::stored::{AddressRow, CustomerRow, Stored};
use crate::db::statement::{BindRows, Columns, columns, push_names};
use crate::db::{Batch, DbConnection, DbResult};
use crate::denied::Denied;
use crate::guard::OwnedCustomer;
use crate::schema::customers;
use crate::sessions::SessionId;

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
        let found = find(connection, customers.iter().map(wanted), Lock::No)?;
        let outcome = |(customer, found): (&OwnedCustomer, Option<Row>)| match found {
            Some(row) => row.if_alive().map(Versioned::from),
            None => Err(absent(customer)),
        };
        Ok(customers.iter().zip(found).map(outcome).map(Ok).collect())
    }
}

/// What [`lock`] finds of one customer.
pub(super) enum Locked {
    /// The row, which stays as it is until the transaction ends.
    Row(Stored),
    /// There is no row for this principal.
    Denied(Denied),
    /// Another transaction has the row.
    Busy,
}

/// Reads customers and locks their rows until the transaction ends. Waits for nobody's lock.
pub(super) fn lock(connection: &mut DbConnection, customers: &[&OwnedCustomer]) -> DbResult<Vec<Locked>> {
    let found = find(connection, customers.iter().map(|customer| wanted(customer)), Lock::Yes)?;
    let absent_ids = customers.iter().zip(&found).filter(|(_, row)| row.is_none()).map(|(owned, _)| owned.id());
    let existing = existing(connection, absent_ids.collect())?;
    let outcome = |(customer, row): (&&OwnedCustomer, Option<Row>)| match row {
        Some(row) if row.is_current => row.if_alive().map_or_else(Locked::Denied, Locked::Row),
        // Changed by another transaction between the statement's snapshot and the lock.
        Some(_) => Locked::Busy,
        None if existing.contains(&customer.id().get()) => Locked::Busy,
        None => Locked::Denied(absent(customer)),
    };
    Ok(customers.iter().zip(found).map(outcome).collect())
}

/// Those of the ids that exist. Asks nothing where nothing is asked for.
fn existing(connection: &mut DbConnection, ids: Vec<CustomerId>) -> DbResult<HashSet<i64>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: Vec<i64> = ids.into_iter().map(CustomerId::get).collect();
    let rows = customers::table.filter(customers::id.eq_any(ids)).select(customers::id).load::<i64>(connection)?;
    Ok(rows.into_iter().collect())
}

/// The customer that the principal owns.
pub(super) fn find_owned(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
) -> DbResult<Result<Versioned, Denied>> {
    let row = find(connection, std::iter::once(wanted(customer)), Lock::No)?.pop().flatten();
    Ok(row.map_or_else(|| Err(absent(customer)), |row| row.if_alive().map(Versioned::from)))
}

/// A customer by id, for the operator; over HTTP ownership comes first.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn find_by_id(connection: &mut DbConnection, id: CustomerId) -> DbResult<Option<Versioned>> {
    let row = find(connection, std::iter::once((id, None)), Lock::No)?.pop().flatten();
    Ok(row.map(|row| row.stored.into()))
}

/// Those of the customers that exist, in the order of the ids; for the operator.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn find_many(
    connection: &mut DbConnection,
    ids: impl Iterator<Item = CustomerId> + Clone,
) -> DbResult<Vec<(CustomerId, Customer)>> {
    let rows = find(connection, ids.clone().map(|id| (id, None)), Lock::No)?;
    let customer = |row: Row| Versioned::from(row.stored).customer;
    Ok(ids.zip(rows).filter_map(|(id, row)| Some((id, customer(row?)))).collect())
}

fn wanted(customer: &OwnedCustomer) -> (CustomerId, Option<SessionId>) {
    (customer.id(), customer.session())
}

/// Sessions go with their customer, so a token that names one had it ended.
fn absent(customer: &OwnedCustomer) -> Denied {
    if customer.session().is_some() { Denied::SessionEnded } else { Denied::Missing }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lock {
    Yes,
    No,
}

columns! {
    struct Wanted, WantedArrays {
        ord: i32 => Integer,
        wanted_id: i64 => BigInt,
        session_id: Option<i64> => Nullable<BigInt>,
    }
}

/// One row that was found.
#[derive(Queryable)]
struct FoundRow {
    ord: i32,
    session_is_alive: bool,
    is_current: bool,
    version: i64,
    customer: CustomerRow,
    address: Option<AddressRow>,
}

struct Row {
    session_is_alive: bool,
    is_current: bool,
    stored: Stored,
}

impl Row {
    fn if_alive(self) -> Result<Stored, Denied> {
        if self.session_is_alive { Ok(self.stored) } else { Err(Denied::SessionEnded) }
    }
}

/// What is found of each customer that is wanted, in order.
fn find(
    connection: &mut DbConnection,
    wanted: impl Iterator<Item = (CustomerId, Option<SessionId>)>,
    lock: Lock,
) -> DbResult<Vec<Option<Row>>> {
    let rows = wanted.zip(0..).map(|((id, session), ord)| Wanted {
        ord,
        wanted_id: id.get(),
        session_id: session.map(SessionId::get),
    });
    let rows: Vec<Wanted> = rows.collect();
    let mut found: Vec<Option<Row>> = rows.iter().map(|_| None).collect();
    for row in select(connection, &rows, lock)? {
        if let Some(place) = usize::try_from(row.ord).ok().and_then(|ord| found.get_mut(ord)) {
            let FoundRow { session_is_alive, is_current, version, customer, address, .. } = row;
            *place = Some(Row { session_is_alive, is_current, stored: Stored { version, customer, address } });
        }
    }
    Ok(found)
}

fn select(connection: &mut DbConnection, wanted: &[Wanted], lock: Lock) -> DbResult<Vec<FoundRow>> {
    match connection {
        DbConnection::Postgres(postgres) if lock == Lock::Yes => {
            Ok((&Select::<true>(wanted.iter().collect())).load(postgres)?)
        }
        DbConnection::Postgres(postgres) => Ok((&Select::<false>(wanted.iter().collect())).load(postgres)?),
        // An immediate transaction locks the whole database; see `write_transaction`.
        DbConnection::Sqlite(sqlite) => {
            let mut rows = Vec::with_capacity(wanted.len());
            for row in wanted {
                rows.extend((&Select::<false>(std::iter::once(row).collect())).load::<FoundRow>(sqlite)?);
            }
            Ok(rows)
        }
    }
}

/// The statement and its input; see [`crate::db::statement`].
struct Select<'a, const LOCK: bool>(WantedArrays<'a>);

impl<const LOCK: bool> Query for Select<'_, LOCK> {
    type SqlType =
        (Integer, Bool, Bool, BigInt, <CustomerRow as Columns>::SqlTypes, Nullable<<AddressRow as Columns>::SqlTypes>);
}

impl<const LOCK: bool> QueryId for Select<'_, LOCK> {
    type QueryId = Select<'static, LOCK>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C, const LOCK: bool> RunQueryDsl<C> for &Select<'_, LOCK> {}

/// The session is a subquery: PostgreSQL might read the whole table for a join, by a plan made while it was empty.
const SESSION_IS_ALIVE: &str = "i.session_id IS NULL
    OR (SELECT s.id FROM sessions s WHERE s.id = i.session_id AND s.customer_id = i.wanted_id) IS NOT NULL";

impl QueryFragment<Pg> for Select<'_, true> {
    /// Where another transaction changed the row after this statement's snapshot, PostgreSQL locks and yields the new
    /// row of `c`, but the old one of everything that is joined to it. `before` tells.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_pg_input(&self.0, &mut out)?;
        push_columns(&mut out, "before.version = c.version");
        out.push_sql(" JOIN customers before ON before.id = c.id FOR NO KEY UPDATE OF c SKIP LOCKED");
        Ok(())
    }
}

impl QueryFragment<Pg> for Select<'_, false> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_pg_input(&self.0, &mut out)?;
        push_columns(&mut out, "TRUE");
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Select<'_, false> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        push_input(&mut out);
        self.0.push_row(&mut out)?;
        out.push_sql(")");
        push_columns(&mut out, "TRUE");
        Ok(())
    }
}

fn push_input<DB: diesel::backend::Backend>(out: &mut AstPass<'_, '_, DB>) {
    out.push_sql("WITH input (");
    push_names(out, "", Wanted::NAMES);
    out.push_sql(") AS (SELECT ");
}

fn push_pg_input<'b>(input: &'b WantedArrays<'_>, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    push_input(out);
    out.push_sql("* FROM unnest(");
    input.push_arrays(out)?;
    out.push_sql("))");
    Ok(())
}

fn push_columns<DB: diesel::backend::Backend>(out: &mut AstPass<'_, '_, DB>, is_current: &str) {
    for part in [" SELECT i.ord, ", SESSION_IS_ALIVE, ", ", is_current, ", c.version, "] {
        out.push_sql(part);
    }
    push_names(out, "c.", CustomerRow::NAMES);
    out.push_sql(", ");
    push_names(out, "a.", AddressRow::NAMES);
    out.push_sql(" FROM input i JOIN customers c ON c.id = i.wanted_id LEFT JOIN addresses a ON a.customer_id = c.id");
}
