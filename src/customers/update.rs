//! The update of a customer: one statement for one request or for sixty-four.
//!
//! `PLAN` says what becomes of each row, in SQL that both databases read: it merges what was sent with what is
//! stored, compares, and decides the outcome and the slug. PostgreSQL carries the plan out in the same statement
//! (data-modifying common table expressions); SQLite, which has none, in the same immediate transaction.
//! The rule that a version is never read and then compared holds on both: PostgreSQL's `UPDATE` checks again that
//! the row is still the planned version, and a row that moved is planned anew; SQLite's transaction admits no other.

use std::marker::PhantomData;

use chrono::NaiveDate;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, SmallInt, Text, Timestamp};
use diesel::sqlite::Sqlite;

use super::change::{AddressChange, Change};
use super::model::{AddressColumns, AddressTypes, CustomerColumns, CustomerId, CustomerTypes, Versioned};
use super::postal_code::PostalCode;
use super::slug;
use crate::db::statement::input;
use crate::db::{Batch, Constraint, DbConnection, DbError, DbResult, UtcMicros};
use crate::guard::OwnedCustomer;
use crate::schema::addresses;
use crate::sessions::SessionId;

/// One request to change a customer.
pub struct Update {
    /// Whose; the proof that the principal may.
    pub customer: OwnedCustomer,
    /// What.
    pub change: Change,
    /// The versions that `If-Match` allows; `None` allows any.
    pub expected: Option<Vec<i64>>,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// Applied or, where nothing differed, found so already.
    Done {
        /// As it is now.
        versioned: Box<Versioned>,
        /// Whether another email was stored.
        email_changed: bool,
    },
    /// There is no such customer.
    Missing,
    /// The token's session is over.
    SessionEnded,
    /// The address would lack these members.
    AddressIncomplete(Vec<&'static str>),
    /// Another version is stored.
    VersionMismatch,
    /// The email is another customer's.
    EmailTaken,
}

/// The batch of updates; see [`crate::db::Lane`].
pub struct Updates;

impl Batch for Updates {
    type Member = Update;
    type Outcome = Outcome;

    const NAME: &'static str = "updates";
    const WRITES: bool = true;

    fn key(update: &Update) -> Option<i64> {
        Some(update.customer.id().get())
    }

    /// Setting the same values twice is setting them once; a version check would fail the second time.
    fn repeatable(update: &Update) -> bool {
        update.expected.is_none()
    }

    fn apply(connection: &mut DbConnection, updates: &[Update]) -> DbResult<Vec<DbResult<Outcome>>> {
        match connection {
            DbConnection::Postgres(postgres) => on_postgres(postgres, updates),
            DbConnection::Sqlite(sqlite) => on_sqlite(sqlite, updates),
        }
    }
}

input! {
    Input, Columns:
    ord: i32 => Integer,
    id: i64 => BigInt,
    session_id: Option<i64> => Nullable<BigInt>,
    expected: Option<String> => Nullable<Text>,
    email: Option<&'a str> => Nullable<Text>,
    email_canonical: Option<&'a str> => Nullable<Text>,
    first_name: Option<&'a str> => Nullable<Text>,
    first_name_slug: Option<&'a str> => Nullable<Text>,
    last_name: Option<&'a str> => Nullable<Text>,
    last_name_slug: Option<&'a str> => Nullable<Text>,
    slug_suffix: String => Text,
    sets_date: bool => Bool,
    date_of_birth: Option<NaiveDate> => Nullable<Date>,
    /// 0 keep, 1 remove, 2 set.
    address: i16 => SmallInt,
    street_address: Option<&'a str> => Nullable<Text>,
    sets_postal_code: bool => Bool,
    postal_code: Option<&'a str> => Nullable<Text>,
    city: Option<&'a str> => Nullable<Text>,
    sets_state: bool => Bool,
    state: Option<&'a str> => Nullable<Text>,
    country: Option<&'a str> => Nullable<Text>,
}

impl<'a> Input<'a> {
    fn new(ord: usize, update: &'a Update) -> Self {
        let change = &update.change;
        let (address, members) = match &change.address {
            AddressChange::Keep => (0, None),
            AddressChange::Remove => (1, None),
            AddressChange::Set(members) => (2, Some(members)),
        };
        let postal_code = members.and_then(|members| members.postal_code.as_ref());
        let state = members.and_then(|members| members.state.as_ref());
        Self {
            ord: i32::try_from(ord).unwrap_or(i32::MAX),
            id: update.customer.id().get(),
            session_id: update.customer.session().map(SessionId::get),
            expected: update.expected.as_deref().map(version_list),
            email: change.email.as_ref().map(|email| email.typed()),
            email_canonical: change.email.as_ref().map(|email| email.canonical()),
            first_name: change.first_name.as_ref().map(|name| name.text.as_str()),
            first_name_slug: change.first_name.as_ref().map(|name| name.slug.as_str()),
            last_name: change.last_name.as_ref().map(|name| name.text.as_str()),
            last_name_slug: change.last_name.as_ref().map(|name| name.slug.as_str()),
            slug_suffix: slug::random_suffix(),
            sets_date: change.date_of_birth.is_some(),
            date_of_birth: change.date_of_birth.flatten(),
            address,
            street_address: members.and_then(|members| members.street_address.as_deref()),
            sets_postal_code: postal_code.is_some(),
            postal_code: postal_code.and_then(|code| code.as_ref()).map(PostalCode::as_str),
            city: members.and_then(|members| members.city.as_deref()),
            sets_state: state.is_some(),
            state: state.and_then(|state| state.as_deref()),
            country: members.and_then(|members| members.country.as_deref()),
            lifetime: PhantomData,
        }
    }
}

/// Versions between bars, so that the statement can look one up with LIKE: `|3|7|`.
fn version_list(versions: &[i64]) -> String {
    versions.iter().fold("|".to_owned(), |list, version| format!("{list}{version}|"))
}

/// A row whose customer was written, and no other, may write its address: whoever changes an address changes the
/// customer's version first, so what the plan says of the address holds as long as the version does.
///
/// `merged`: what the row would become, beside what it is. `planned`: the slug form before and after, and whether
/// anything differs. `plan`: the outcome and the slug. Expects `input`; the slug form is that of `slug::form`.
const PLAN: &str = "
merged AS (
    SELECT i.ord, i.id, i.session_id IS NOT NULL AND s.id IS NULL AS session_ended, i.expected, i.slug_suffix, i.address AS address_change,
        c.version, c.slug,
        COALESCE(i.email, c.email) AS email,
        COALESCE(i.email_canonical, c.email_canonical) AS email_canonical,
        COALESCE(i.email <> c.email, FALSE) AS email_changed,
        COALESCE(i.first_name, c.first_name) AS first_name,
        COALESCE(i.first_name_slug, c.first_name_slug) AS first_name_slug,
        COALESCE(i.last_name, c.last_name) AS last_name,
        COALESCE(i.last_name_slug, c.last_name_slug) AS last_name_slug,
        TRIM(c.first_name_slug || '-' || c.last_name_slug, '-') AS old_joined,
        TRIM(COALESCE(i.first_name_slug, c.first_name_slug) || '-'
            || COALESCE(i.last_name_slug, c.last_name_slug), '-') AS joined,
        CASE WHEN i.sets_date THEN i.date_of_birth ELSE c.date_of_birth END AS date_of_birth,
        CASE WHEN i.address <> 1 THEN COALESCE(i.street_address, a.street_address) END AS street_address,
        CASE WHEN i.address <> 1 THEN CASE WHEN i.sets_postal_code THEN i.postal_code ELSE a.postal_code END END
            AS postal_code,
        CASE WHEN i.address <> 1 THEN COALESCE(i.city, a.city) END AS city,
        CASE WHEN i.address <> 1 THEN CASE WHEN i.sets_state THEN i.state ELSE a.state END END AS state,
        CASE WHEN i.address <> 1 THEN COALESCE(i.country, a.country) END AS country,
        COALESCE(i.email <> c.email OR i.first_name <> c.first_name OR i.last_name <> c.last_name, FALSE)
            OR (i.sets_date AND i.date_of_birth IS DISTINCT FROM c.date_of_birth) AS customer_differs,
        a.customer_id IS NOT NULL AS has_address,
        COALESCE(i.first_name_slug <> c.first_name_slug OR i.last_name_slug <> c.last_name_slug, FALSE) AS renamed,
        CASE i.address
            WHEN 1 THEN a.customer_id IS NOT NULL
            WHEN 2 THEN a.customer_id IS NULL
                OR COALESCE(i.street_address <> a.street_address OR i.city <> a.city OR i.country <> a.country, FALSE)
                OR (i.sets_postal_code AND i.postal_code IS DISTINCT FROM a.postal_code)
                OR (i.sets_state AND i.state IS DISTINCT FROM a.state)
            ELSE FALSE
        END AS address_differs
    FROM input i
    LEFT JOIN customers c ON c.id = i.id
    LEFT JOIN addresses a ON a.customer_id = c.id
    LEFT JOIN sessions s ON s.id = i.session_id AND s.customer_id = i.id
),
planned AS (
    SELECT m.*,
        COALESCE(NULLIF(RTRIM(SUBSTR(m.old_joined, 1, 80), '-'), ''), 'customer') AS old_form,
        COALESCE(NULLIF(RTRIM(SUBSTR(m.joined, 1, 80), '-'), ''), 'customer') AS form,
        CASE
            WHEN m.session_ended THEN 6
            WHEN m.version IS NULL THEN 1
            WHEN m.address_change = 2 AND (m.street_address IS NULL OR m.city IS NULL OR m.country IS NULL) THEN 2
            WHEN m.expected IS NOT NULL AND m.expected NOT LIKE '%|' || m.version || '|%' THEN 3
            WHEN NOT m.customer_differs AND NOT m.address_differs THEN 4
            ELSE 0
        END AS outcome
    FROM merged m
),
plan AS (
    SELECT p.*,
        CASE
            WHEN p.outcome <> 0 OR NOT p.renamed OR p.form = p.old_form THEN p.slug
            WHEN EXISTS (SELECT 1 FROM customers h WHERE h.slug = p.form AND h.id <> p.id)
                THEN RTRIM(SUBSTR(p.form, 1, 74), '-') || '-' || p.slug_suffix
            ELSE p.form
        END AS new_slug
    FROM planned p
)";

const APPLIED: i32 = 0;
const MISSING: i32 = 1;
const INCOMPLETE: i32 = 2;
const MISMATCH: i32 = 3;
const UNCHANGED: i32 = 4;
/// PostgreSQL only: the row was no longer the planned version when it was to be written.
const MOVED: i32 = 5;
const SESSION_ENDED: i32 = 6;

/// What comes back for each row, in the order of [`Planned`].
const OUTPUT: &str = "plan.ord, plan.email_changed, COALESCE(plan.new_slug <> plan.slug, FALSE), plan.version, plan.email, plan.first_name, plan.last_name, plan.new_slug, \
     plan.date_of_birth, plan.street_address, plan.postal_code, plan.city, plan.state, plan.country";

type OutputTypes = (Integer, Integer, Bool, Bool, Nullable<BigInt>, CustomerTypes, AddressTypes);

/// One row of the plan, or of what was done.
#[derive(Queryable)]
struct Planned {
    outcome: i32,
    ord: i32,
    email_changed: bool,
    slug_changed: bool,
    version: Option<i64>,
    customer: CustomerColumns,
    address: AddressColumns,
}

impl Planned {
    fn outcome(self) -> DbResult<Outcome> {
        match self.outcome {
            APPLIED | UNCHANGED => {
                let email_changed = self.email_changed;
                self.versioned().map(|versioned| Outcome::Done { versioned: Box::new(versioned), email_changed })
            }
            MISSING => Ok(Outcome::Missing),
            SESSION_ENDED => Ok(Outcome::SessionEnded),
            INCOMPLETE => Ok(Outcome::AddressIncomplete(self.lacking())),
            MISMATCH => Ok(Outcome::VersionMismatch),
            MOVED => Err(DbError::Contention("another process changed the customer".into())),
            other => Err(DbError::Internal(format!("the statement answered {other}"))),
        }
    }

    fn lacking(&self) -> Vec<&'static str> {
        let (street_address, _, city, _, country) = &self.address;
        let members = [("street_address", street_address), ("city", city), ("country", country)];
        members.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect()
    }

    fn versioned(self) -> DbResult<Versioned> {
        let version = self.version.map(|version| version + i64::from(self.outcome == APPLIED));
        Versioned::from_columns(version, self.customer, self.address)
            .ok_or_else(|| DbError::Internal("a planned row lacks a column".into()))
    }
}

/// The statement and its input; see [`crate::db::statement`].
struct Statement<'a> {
    columns: Columns<'a>,
    now: UtcMicros,
}

impl<'a> Statement<'a> {
    fn new(updates: impl IntoIterator<Item = (usize, &'a Update)>) -> Self {
        let mut columns = Columns::default();
        updates.into_iter().for_each(|(ord, update)| columns.push(Input::new(ord, update)));
        Self { columns, now: UtcMicros::now() }
    }
}

impl QueryId for Statement<'_> {
    type QueryId = Statement<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Statement<'_> {
    type SqlType = OutputTypes;
}

impl<C> RunQueryDsl<C> for &Statement<'_> {}

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

fn on_postgres(connection: &mut PgConnection, updates: &[Update]) -> DbResult<Vec<DbResult<Outcome>>> {
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

fn conflict(constraint: Constraint) -> DbResult<Outcome> {
    match constraint {
        Constraint::Email => Ok(Outcome::EmailTaken),
        // Taken between the look and the write, or a suffix drawn twice: planned anew, with another suffix.
        Constraint::Slug => Err(DbError::Contention("the slug was taken".into())),
        other => Err(DbError::Unique(other)),
    }
}

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

fn on_sqlite(connection: &mut SqliteConnection, updates: &[Update]) -> DbResult<Vec<DbResult<Outcome>>> {
    connection.immediate_transaction(|connection| {
        let one = |update| match one_on_sqlite(connection, update) {
            // A refused statement leaves the transaction as it was: the others go on.
            Err(DbError::Unique(constraint)) => Ok(conflict(constraint)),
            Err(error) => Err(error),
            Ok(outcome) => Ok(Ok(outcome)),
        };
        updates.iter().map(one).collect()
    })
}

fn one_on_sqlite(connection: &mut SqliteConnection, update: &Update) -> DbResult<Outcome> {
    let statement = Statement::new([(0, update)]);
    let planned = match (&statement).load::<Planned>(connection).map(|mut rows| rows.pop()) {
        Ok(Some(planned)) => planned,
        Ok(None) => return Err(DbError::Internal("the statement lost a row".into())),
        Err(error) => return Err(error.into()),
    };
    if planned.outcome == APPLIED {
        let id = update.customer.id();
        let (statement, planned) = (&statement, &planned);
        match (planned.email_changed, planned.slug_changed) {
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
/// not, which would double the pages of a commit: columns with an index are set only where they change.
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
