//! PostgreSQL carries the plan out in the statement that makes it, with data-modifying common table expressions.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Timestamp;

use super::plan::{OUTPUT, PLAN, Planned, Statement};
use super::{Outcome, Update, conflict};
use crate::db::{DbError, DbResult};

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.columns.push_arrays(&mut out)?;
        out.push_sql(PLAN);
        out.push_sql(
            ",
            written AS (
                UPDATE customers c SET email = plan.email, email_canonical = plan.email_canonical,
                    first_name = plan.first_name, last_name = plan.last_name,
                    first_name_slug = plan.first_name_slug, last_name_slug = plan.last_name_slug,
                    slug = plan.new_slug, date_of_birth = plan.date_of_birth,
                    version = c.version + 1, updated_at = ",
        );
        out.push_bind_param::<Timestamp, _>(&self.now)?;
        out.push_sql(
            " FROM plan WHERE plan.outcome = 0 AND c.id = plan.id AND c.version = plan.version RETURNING c.id
            ),
            done AS MATERIALIZED (SELECT array_agg(written.id) AS ids FROM written),
            removed AS (
                DELETE FROM addresses a USING plan
                WHERE plan.address_change = 1 AND plan.has_address AND plan.id = ANY ((SELECT ids FROM done)::bigint[])
                    AND a.customer_id = plan.id
            ),
            replaced AS (
                UPDATE addresses a SET street_address = plan.street_address, postal_code = plan.postal_code,
                    city = plan.city, state = plan.state, country = plan.country
                FROM plan
                WHERE plan.address_change = 2 AND plan.has_address AND plan.address_differs
                    AND plan.id = ANY ((SELECT ids FROM done)::bigint[]) AND a.customer_id = plan.id
            ),
            added AS (
                INSERT INTO addresses (customer_id, street_address, postal_code, city, state, country)
                SELECT plan.id, plan.street_address, plan.postal_code, plan.city, plan.state, plan.country
                FROM plan
                WHERE plan.address_change = 2 AND NOT plan.has_address
                    AND plan.id = ANY ((SELECT ids FROM done)::bigint[])
            )
            SELECT CASE
                WHEN plan.outcome = 0 AND NOT COALESCE(plan.id = ANY ((SELECT ids FROM done)::bigint[]), FALSE) THEN 5
                ELSE plan.outcome
            END, ",
        );
        out.push_sql(OUTPUT);
        out.push_sql(" FROM plan");
        Ok(())
    }
}

/// Applies a batch in one statement, which is one commit.
pub(super) fn apply(connection: &mut PgConnection, updates: &[Update]) -> DbResult<Vec<DbResult<Outcome>>> {
    // In the order of ids, as any other instance writes them: two batches cannot wait for each other.
    let mut in_order: Vec<(usize, &Update)> = updates.iter().enumerate().collect();
    in_order.sort_by_key(|(_, update)| update.customer.id());
    let rows = match (&Statement::new(in_order)).load::<Planned>(connection).map_err(DbError::from) {
        Ok(rows) => rows,
        Err(DbError::Unique(constraint)) if updates.len() == 1 => {
            return Ok(vec![conflict(constraint)]);
        }
        Err(error) => return Err(error),
    };
    let mut outcomes: Vec<DbResult<Outcome>> =
        updates.iter().map(|_| Err(DbError::Internal("the statement lost a row".into()))).collect();
    for row in rows {
        if let Some(place) = usize::try_from(row.ord).ok().and_then(|ord| outcomes.get_mut(ord)) {
            *place = row.outcome();
        }
    }
    Ok(outcomes)
}
