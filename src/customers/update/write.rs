//! Writes the rows of a batch that differ: with one statement on PostgreSQL, with one per row and table on SQLite.

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Timestamp};
use diesel::sqlite::Sqlite;

use super::merge::{Profile, Profiles};
use crate::customers::stored::{AddressArrays, AddressRow, CustomerArrays, CustomerRow};
use crate::db::statement::{BindRows, Columns, prepared, push_assignments, push_names};
use crate::db::{DbConnection, DbError, DbResult, UtcMicros};
use crate::schema::addresses;

/// Writes the customers and addresses that differ from the stored ones. Every change increases the version, so the
/// customer of a changed address is always written too.
pub(super) fn profiles(connection: &mut DbConnection, profiles: &Profiles) -> DbResult<()> {
    let changed = profiles.changed();
    let mut set = Vec::new();
    let mut removed = Vec::new();
    for (id, profile) in changed.iter().filter(|(_, profile)| profile.address_differs()) {
        match &profile.now.address {
            Some(address) => set.push((*id, address)),
            None => removed.push(*id),
        }
    }
    if !removed.is_empty() {
        diesel::delete(addresses::table.filter(addresses::customer_id.eq_any(removed))).execute(connection)?;
    }
    match connection {
        DbConnection::Postgres(_) if changed.is_empty() => {}
        DbConnection::Postgres(postgres) => {
            let both = WriteBoth(WriteAddresses::new(&set), WriteCustomers::new(&changed));
            // Cannot happen while the rows are locked, but not every engine with PostgreSQL's protocol locks them.
            if both.execute(postgres)? != changed.len() {
                return Err(DbError::Contention("a row changed between the lock and the write".into()));
            }
        }
        DbConnection::Sqlite(sqlite) => {
            for row in changed.chunks(1) {
                match row.iter().any(|(_, profile)| profile.unique_differs()) {
                    true => WriteCustomers::<true>::new(row).execute(sqlite)?,
                    false => WriteCustomers::<false>::new(row).execute(sqlite)?,
                };
            }
            for row in set.chunks(1) {
                WriteAddresses::new(row).execute(sqlite)?;
            }
        }
    }
    Ok(())
}

/// Sets the columns of customers. SQLite rewrites the index of every column that is set, even if the value is the same,
/// which would double the pages of a commit. So columns with an index are set only with `UNIQUE`.
struct WriteCustomers<'a, const UNIQUE: bool> {
    ids: Vec<i64>,
    versions: Vec<i64>,
    rows: CustomerArrays<'a>,
    now: UtcMicros,
}

const INDEXED: [&str; 2] = ["email_canonical", "slug"];

prepared!(WriteCustomers, UNIQUE);

impl<'a, const UNIQUE: bool> WriteCustomers<'a, UNIQUE> {
    fn new(profiles: &[(i64, &'a Profile)]) -> Self {
        Self {
            ids: profiles.iter().map(|(id, _)| *id).collect(),
            versions: profiles.iter().map(|(_, profile)| profile.now.version).collect(),
            rows: profiles.iter().map(|(_, profile)| &profile.now.customer).collect(),
            now: UtcMicros::now(),
        }
    }
}

impl<const UNIQUE: bool> QueryFragment<Sqlite> for WriteCustomers<'_, UNIQUE> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE customers SET updated_at = ");
        out.push_bind_param::<Timestamp, _>(&self.now)?;
        out.push_sql(", version = ");
        out.push_bind_param::<BigInt, _>(self.versions.first().ok_or(diesel::NotFound)?)?;
        self.rows.push_row_assignments(&mut out, if UNIQUE { &[] } else { &INDEXED })?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<BigInt, _>(self.ids.first().ok_or(diesel::NotFound)?)
    }
}

/// Adds or replaces addresses.
struct WriteAddresses<'a> {
    ids: Vec<i64>,
    rows: AddressArrays<'a>,
}

prepared!(WriteAddresses);

impl<'a> WriteAddresses<'a> {
    fn new(rows: &[(i64, &'a AddressRow)]) -> Self {
        Self { ids: rows.iter().map(|(id, _)| *id).collect(), rows: rows.iter().map(|(_, row)| *row).collect() }
    }
}

impl QueryFragment<Sqlite> for WriteAddresses<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        push_insert(&mut out);
        out.push_sql("VALUES (");
        out.push_bind_param::<BigInt, _>(self.ids.first().ok_or(diesel::NotFound)?)?;
        out.push_sql(", ");
        self.rows.push_row(&mut out)?;
        out.push_sql(")");
        push_upsert(&mut out);
        Ok(())
    }
}

/// Writes addresses and customers in one statement, which saves a round trip. The list of addresses may be empty.
struct WriteBoth<'a>(WriteAddresses<'a>, WriteCustomers<'a, true>);

prepared!(WriteBoth);

impl QueryFragment<Pg> for WriteBoth<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self(addresses, customers) = self;
        out.push_sql("WITH written_addresses AS (");
        push_insert(&mut out);
        out.push_sql("SELECT * FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&addresses.ids)?;
        out.push_sql(", ");
        addresses.rows.push_arrays(&mut out)?;
        out.push_sql(")");
        push_upsert(&mut out);
        out.push_sql(") UPDATE customers SET updated_at = ");
        out.push_bind_param::<Timestamp, _>(&customers.now)?;
        out.push_sql(", version = i.new_version, ");
        push_assignments(&mut out, "i.", CustomerRow::NAMES);
        out.push_sql(" FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&customers.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&customers.versions)?;
        out.push_sql(", ");
        customers.rows.push_arrays(&mut out)?;
        out.push_sql(") AS i (written_id, new_version, ");
        push_names(&mut out, "", CustomerRow::NAMES);
        out.push_sql(") WHERE customers.id = i.written_id");
        Ok(())
    }
}

fn push_insert<DB: Backend>(out: &mut AstPass<'_, '_, DB>) {
    out.push_sql("INSERT INTO addresses (customer_id, ");
    push_names(out, "", AddressRow::NAMES);
    out.push_sql(") ");
}

fn push_upsert<DB: Backend>(out: &mut AstPass<'_, '_, DB>) {
    out.push_sql(" ON CONFLICT (customer_id) DO UPDATE SET ");
    push_assignments(out, "excluded.", AddressRow::NAMES);
}
