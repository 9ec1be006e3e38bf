//! SQLite, which has no data-modifying common table expressions, carries the plan out row by row in one immediate
//! transaction.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Date, Nullable, Text, Timestamp};
use diesel::sqlite::Sqlite;

use super::plan::{APPLIED, OUTPUT, PLAN, Planned, Statement};
use super::{Outcome, Update, conflict};
use crate::customers::change::AddressChange;
use crate::customers::model::CustomerId;
use crate::db::{DbError, DbResult};
use crate::schema::addresses;

impl QueryFragment<Sqlite> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.columns.push_only_row(&mut out)?;
        out.push_sql(PLAN);
        out.push_sql(" SELECT plan.outcome, ");
        out.push_sql(OUTPUT);
        out.push_sql(" FROM plan");
        Ok(())
    }
}

/// Applies a batch in one transaction, which is one fsync.
pub(super) fn apply(connection: &mut SqliteConnection, updates: &[Update]) -> DbResult<Vec<DbResult<Outcome>>> {
    connection.immediate_transaction(|connection| {
        let each = |update| match one(connection, update) {
            // A refused statement leaves the transaction as it was: the others go on.
            Err(DbError::Unique(constraint)) => Ok(conflict(constraint)),
            Err(error) => Err(error),
            Ok(outcome) => Ok(Ok(outcome)),
        };
        updates.iter().map(each).collect()
    })
}

fn one(connection: &mut SqliteConnection, update: &Update) -> DbResult<Outcome> {
    let statement = Statement::new([(0, update)]);
    let planned = match (&statement).load::<Planned>(connection).map(|mut rows| rows.pop()) {
        Ok(Some(planned)) => planned,
        Ok(None) => return Err(DbError::Internal("the statement lost a row".into())),
        Err(error) => return Err(error.into()),
    };
    if planned.outcome == APPLIED {
        let id = update.customer.id();
        let (statement, planned) = (&statement, &planned);
        match (planned.email_changed, planned.renamed) {
            (false, false) => WriteCustomer::<false, false> { statement, planned }.execute(connection)?,
            (false, true) => WriteCustomer::<false, true> { statement, planned }.execute(connection)?,
            (true, false) => WriteCustomer::<true, false> { statement, planned }.execute(connection)?,
            (true, true) => WriteCustomer::<true, true> { statement, planned }.execute(connection)?,
        };
        match &update.change.address {
            AddressChange::Keep => {}
            AddressChange::Remove => {
                diesel::delete(addresses::table.find(id.get())).execute(connection)?;
            }
            AddressChange::Set(_) => {
                WriteAddress { id, planned }.execute(connection)?;
            }
        }
    }
    planned.outcome()
}

/// Carries out the customer's part of the plan. SQLite writes the index of every column that is set, changed or
/// not, which would double the pages of a commit: columns with an index are set only where they may change.
struct WriteCustomer<'a, const EMAIL: bool, const SLUG: bool> {
    statement: &'a Statement<'a>,
    planned: &'a Planned,
}

impl<const EMAIL: bool, const SLUG: bool> QueryId for WriteCustomer<'_, EMAIL, SLUG> {
    type QueryId = WriteCustomer<'static, EMAIL, SLUG>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C, const EMAIL: bool, const SLUG: bool> RunQueryDsl<C> for WriteCustomer<'_, EMAIL, SLUG> {}

impl<const EMAIL: bool, const SLUG: bool> QueryFragment<Sqlite> for WriteCustomer<'_, EMAIL, SLUG> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let columns = &self.statement.columns;
        let (email, first_name, last_name, slug, date_of_birth) = &self.planned.customer;
        out.push_sql("UPDATE customers SET version = version + 1, updated_at = ");
        out.push_bind_param::<Timestamp, _>(&self.statement.now)?;
        out.push_sql(", first_name = ");
        out.push_bind_param::<Nullable<Text>, _>(first_name)?;
        out.push_sql(", last_name = ");
        out.push_bind_param::<Nullable<Text>, _>(last_name)?;
        out.push_sql(", date_of_birth = ");
        out.push_bind_param::<Nullable<Date>, _>(date_of_birth)?;
        let (first_slug, last_slug) = (columns.first_name_slug.first(), columns.last_name_slug.first());
        out.push_sql(", first_name_slug = COALESCE(");
        out.push_bind_param::<Nullable<Text>, _>(first_slug.ok_or(diesel::NotFound)?)?;
        out.push_sql(", first_name_slug), last_name_slug = COALESCE(");
        out.push_bind_param::<Nullable<Text>, _>(last_slug.ok_or(diesel::NotFound)?)?;
        out.push_sql(", last_name_slug)");
        if EMAIL {
            out.push_sql(", email = ");
            out.push_bind_param::<Nullable<Text>, _>(email)?;
            out.push_sql(", email_canonical = ");
            out.push_bind_param::<Nullable<Text>, _>(columns.email_canonical.first().ok_or(diesel::NotFound)?)?;
        }
        if SLUG {
            out.push_sql(", slug = ");
            out.push_bind_param::<Nullable<Text>, _>(slug)?;
        }
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<BigInt, _>(columns.id.first().ok_or(diesel::NotFound)?)
    }
}

/// Carries out the address's part of the plan.
struct WriteAddress<'a> {
    id: CustomerId,
    planned: &'a Planned,
}

impl QueryId for WriteAddress<'_> {
    type QueryId = WriteAddress<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C> RunQueryDsl<C> for WriteAddress<'_> {}

impl QueryFragment<Sqlite> for WriteAddress<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let (street_address, postal_code, city, state, country) = &self.planned.address;
        out.push_sql("INSERT INTO addresses (customer_id, street_address, postal_code, city, state, country) VALUES (");
        out.push_bind_param::<BigInt, _>(self.id.as_ref())?;
        for value in [street_address, postal_code, city, state, country] {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(value)?;
        }
        out.push_sql(
            ") ON CONFLICT (customer_id) DO UPDATE SET street_address = excluded.street_address,
                postal_code = excluded.postal_code, city = excluded.city, state = excluded.state,
                country = excluded.country",
        );
        Ok(())
    }
}
