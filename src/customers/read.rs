//! The reading of a customer: one statement for one request or for a whole batch, as for updates.
//!
//! The statement that reads the customer also looks whether the token's session is alive, so ending a session
//! works at once and costs no round trip.

use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable};
use diesel::sqlite::Sqlite;

use super::model::{AddressColumns, AddressTypes, Customer, CustomerColumns, CustomerId, CustomerTypes, Versioned};
use crate::db::statement::input;
use crate::db::{Batch, DbConnection, DbError, DbResult};
use crate::guard::OwnedCustomer;
use crate::sessions::SessionId;

/// What a read found.
#[derive(Debug)]
pub enum Found {
    /// The customer.
    Customer(Box<Versioned>),
    /// There is no such customer.
    Missing,
    /// The token's session is over.
    SessionEnded,
}

/// The batch of reads; see [`crate::db::Lane`].
pub struct Reads;

impl Batch for Reads {
    type Member = OwnedCustomer;
    type Outcome = Found;

    const NAME: &'static str = "reads";
    const WRITES: bool = false;

    fn key(_: &OwnedCustomer) -> Option<i64> {
        None
    }

    fn repeatable(_: &OwnedCustomer) -> bool {
        true
    }

    fn apply(connection: &mut DbConnection, customers: &[OwnedCustomer]) -> DbResult<Vec<DbResult<Found>>> {
        let asked = customers.iter().map(|customer| (customer.id(), customer.session()));
        Ok(rows(connection, asked)?.into_iter().map(|row| Ok(row.found())).collect())
    }
}

/// The customer that the principal owns.
pub(super) fn find_owned(connection: &mut DbConnection, customer: &OwnedCustomer) -> DbResult<Found> {
    let asked = std::iter::once((customer.id(), customer.session()));
    Ok(rows(connection, asked)?.pop().map_or(Found::Missing, Row::found))
}

/// A customer by id, for the operator; over HTTP ownership comes first.
///
/// # Errors
/// See [`DbError`].
pub fn find_by_id(connection: &mut DbConnection, id: CustomerId) -> DbResult<Option<Versioned>> {
    Ok(rows(connection, [(id, None)].into_iter())?.pop().and_then(Row::versioned))
}

/// Those of the customers that exist, in the order of the ids; for the operator.
///
/// # Errors
/// See [`DbError`].
pub fn find_many(
    connection: &mut DbConnection,
    ids: impl Iterator<Item = CustomerId> + Clone,
) -> DbResult<Vec<(CustomerId, Customer)>> {
    let rows = rows(connection, ids.clone().map(|id| (id, None)))?;
    let found = ids.zip(rows).filter_map(|(id, row)| Some((id, row.versioned()?.customer)));
    Ok(found.collect())
}

input! {
    Input, Columns:
    ord: i32 => Integer,
    id: i64 => BigInt,
    session_id: Option<i64> => Nullable<BigInt>,
}

/// The statement and its input; see [`crate::db::statement`].
struct Statement<'a>(Columns<'a>);

/// One row of the answer.
#[derive(Queryable)]
struct Row {
    ord: i32,
    session_ended: bool,
    version: Option<i64>,
    customer: CustomerColumns,
    address: AddressColumns,
}

impl Query for Statement<'_> {
    type SqlType = (Integer, Bool, Nullable<BigInt>, CustomerTypes, AddressTypes);
}

impl QueryId for Statement<'_> {
    type QueryId = Statement<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C> RunQueryDsl<C> for &Statement<'_> {}

/// The session is a subquery, as in the update's plan.
const SELECT: &str = "found AS (
    SELECT i.ord,
        i.session_id IS NOT NULL
            AND (SELECT s.id FROM sessions s WHERE s.id = i.session_id AND s.customer_id = i.id) IS NULL AS session_ended,
        c.version,
        c.email, c.first_name, c.last_name, c.slug, c.date_of_birth,
        a.street_address, a.postal_code, a.city, a.state, a.country
    FROM input i
    LEFT JOIN customers c ON c.id = i.id
    LEFT JOIN addresses a ON a.customer_id = c.id
) SELECT * FROM found";

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.push_arrays(&mut out)?;
        out.push_sql(SELECT);
        Ok(())
    }
}

impl QueryFragment<Sqlite> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.push_only_row(&mut out)?;
        out.push_sql(SELECT);
        Ok(())
    }
}

/// One row for each that is asked for, in order.
fn rows(
    connection: &mut DbConnection,
    asked: impl Iterator<Item = (CustomerId, Option<SessionId>)>,
) -> DbResult<Vec<Row>> {
    let inputs = asked.zip(0..).map(|((id, session), ord)| Input {
        ord,
        id: id.get(),
        session_id: session.map(SessionId::get),
        lifetime: PhantomData,
    });
    let gather = |inputs: &mut dyn Iterator<Item = Input<'static>>| {
        let mut columns = Columns::default();
        inputs.for_each(|input| columns.push(input));
        Statement(columns)
    };
    match connection {
        DbConnection::Postgres(postgres) => {
            let statement = gather(&mut inputs.into_iter());
            let mut rows = (&statement).load::<Row>(postgres)?;
            rows.sort_unstable_by_key(|row| row.ord);
            Ok(rows)
        }
        DbConnection::Sqlite(sqlite) => inputs
            .map(|input| {
                let statement = gather(&mut std::iter::once(input));
                let row = (&statement).load::<Row>(sqlite)?.pop();
                row.ok_or_else(|| DbError::Internal("the statement lost a row".into()))
            })
            .collect(),
    }
}

impl Row {
    fn found(self) -> Found {
        if self.session_ended {
            return Found::SessionEnded;
        }
        self.versioned().map_or(Found::Missing, |versioned| Found::Customer(Box::new(versioned)))
    }

    fn versioned(self) -> Option<Versioned> {
        Versioned::from_columns(self.version, self.customer, self.address)
    }
}
