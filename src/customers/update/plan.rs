//! The plan: what becomes of each row, in SQL that both databases read, and what comes back.

use std::marker::PhantomData;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::query_builder::{Query, QueryId};
use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, SmallInt, Text};

use super::{Outcome, Update};
use crate::customers::change::AddressChange;
use crate::customers::model::{AddressColumns, AddressTypes, CustomerColumns, CustomerTypes, Versioned};
use crate::customers::postal_code::PostalCode;
use crate::customers::slug;
use crate::db::statement::input;
use crate::db::{DbError, DbResult, UtcMicros};
use crate::sessions::SessionId;

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
    /// Two, one after the other.
    slug_suffixes: String => Text,
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
            slug_suffixes: slug::random_suffix() + &slug::random_suffix(),
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
/// anything differs. `plan`: the outcome and the slug; it names its columns, because those of a row that is used
/// several times are computed used or not, and the slug forms cost most. Both databases put these steps into one, and
/// work out what is named twice twice: hence the slug asks first whether the row is renamed, and for the outcome last.
/// The session is a subquery: of a join PostgreSQL might read the whole table, by a plan made while it was empty.
/// Of a name with 100,000 holders one suffix in 300 is taken, and that would be one full batch in three: hence
/// two. Expects `input`; the slug form is that of `slug::form`.
pub(super) const PLAN: &str = "
merged AS (
    SELECT i.ord, i.id, i.expected, i.slug_suffixes, i.address AS address_change,
        i.session_id IS NOT NULL
            AND (SELECT s.id FROM sessions s WHERE s.id = i.session_id AND s.customer_id = i.id) IS NULL AS session_ended,
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
    SELECT p.ord, p.id, p.outcome, p.address_change, p.has_address, p.address_differs, p.version, p.date_of_birth,
        p.email_changed, p.renamed, p.street_address, p.postal_code, p.city, p.state, p.country, p.slug, p.email,
        p.email_canonical, p.first_name, p.last_name, p.first_name_slug, p.last_name_slug,
        CASE
            WHEN NOT p.renamed OR p.form = p.old_form OR p.outcome <> 0 THEN p.slug
            WHEN NOT EXISTS (SELECT 1 FROM customers h WHERE h.slug = p.form AND h.id <> p.id) THEN p.form
            ELSE RTRIM(SUBSTR(p.form, 1, 74), '-') || '-' || CASE
                WHEN EXISTS (
                    SELECT 1 FROM customers h
                    WHERE h.slug = RTRIM(SUBSTR(p.form, 1, 74), '-') || '-' || SUBSTR(p.slug_suffixes, 1, 5)
                ) THEN SUBSTR(p.slug_suffixes, 6, 5)
                ELSE SUBSTR(p.slug_suffixes, 1, 5)
            END
        END AS new_slug
    FROM planned p
)";

pub(super) const APPLIED: i32 = 0;
const MISSING: i32 = 1;
const INCOMPLETE: i32 = 2;
const MISMATCH: i32 = 3;
const UNCHANGED: i32 = 4;
/// PostgreSQL only: the row was no longer the planned version when it was to be written.
const MOVED: i32 = 5;
const SESSION_ENDED: i32 = 6;

/// What comes back for each row, in the order of [`Planned`].
pub(super) const OUTPUT: &str = "plan.ord, plan.email_changed, plan.renamed, plan.version, plan.email, plan.first_name, plan.last_name, plan.new_slug, \
     plan.date_of_birth, plan.street_address, plan.postal_code, plan.city, plan.state, plan.country";

type OutputTypes = (Integer, Integer, Bool, Bool, Nullable<BigInt>, CustomerTypes, AddressTypes);

/// One row of the plan, or of what was done.
#[derive(Queryable)]
pub(super) struct Planned {
    pub(super) outcome: i32,
    pub(super) ord: i32,
    pub(super) email_changed: bool,
    /// Whether the ASCII form of a name changes, and the slug therefore may.
    pub(super) renamed: bool,
    pub(super) version: Option<i64>,
    pub(super) customer: CustomerColumns,
    pub(super) address: AddressColumns,
}

impl Planned {
    pub(super) fn outcome(self) -> DbResult<Outcome> {
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
pub(super) struct Statement<'a> {
    pub(super) columns: Columns<'a>,
    pub(super) now: UtcMicros,
}

impl<'a> Statement<'a> {
    pub(super) fn new(updates: impl IntoIterator<Item = (usize, &'a Update)>) -> Self {
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
