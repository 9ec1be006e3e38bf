//! The embedded migrations, run by the service or by `clientele migrate`; the diesel CLI reads the same folder.

use std::collections::BTreeSet;

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::migration::{self, Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::transaction::{Begin, write_transaction};
use crate::threads::Progress;

const MIGRATIONS: Ours<EmbeddedMigrations> = Ours(embed_migrations!("migrations"));

/// What `diesel database setup` puts into a checkout, for PostgreSQL alone; no part of our schema.
const DIESELS_OWN: &str = "00000000000000_diesel_initial_setup";

/// Migrations without diesel's own.
struct Ours<S>(S);

impl<DB: Backend, S: MigrationSource<DB>> MigrationSource<DB> for Ours<S> {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<DB>>>> {
        let mut migrations = self.0.migrations()?;
        migrations.retain(|migration| migration.name().to_string() != DIESELS_OWN);
        Ok(migrations)
    }
}

/// Any number will do, as long as every instance asks for the same: "clientel" in ASCII.
const ADVISORY_LOCK: i64 = 0x636c_6965_6e74_656c;

/// One migration and what the database and this binary know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// The folder's name; the version alone of one that is unknown.
    pub name: String,
    /// How it stands.
    pub state: MigrationState,
}

/// How a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// The database has it.
    Applied,
    /// The database lacks it.
    Pending,
    /// The database has it and this binary does not know it: the database is newer.
    Unknown,
}

fn internal(error: Box<dyn std::error::Error + Send + Sync>) -> DbError {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => DbError::from(*error),
        Err(error) => DbError::Internal(error.to_string()),
    }
}

/// Applies what is pending and returns the versions. Instances that start together take turns.
///
/// # Errors
/// What the database said about the first migration that failed.
pub fn migrate(connection: &mut DbConnection) -> DbResult<Vec<String>> {
    locked(connection, |connection| {
        let applied = connection.run_pending_migrations(MIGRATIONS).map_err(internal)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    })
}

/// Reverts the migration applied last and returns its version.
///
/// # Errors
/// What the database said, or that there is nothing to revert.
pub fn revert_last(connection: &mut DbConnection) -> DbResult<String> {
    locked(connection, |connection| {
        connection.revert_last_migration(MIGRATIONS).map(|version| version.to_string()).map_err(internal)
    })
}

/// Runs `work` in one transaction, alone: each migration's own becomes a savepoint in it. The advisory lock of PostgreSQL
/// ends with the transaction, so that a session that a pooler lends can be used.
fn locked<T>(connection: &mut DbConnection, work: impl FnOnce(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
    let (begin, lock) = match connection {
        DbConnection::Sqlite(_) => (Begin::immediate(), None),
        DbConnection::Postgres(_) => (Begin::plain(), Some(format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))),
    };
    write_transaction(connection, &begin, &Progress::default(), |connection| {
        lock.map_or(Ok(()), |lock| connection.batch_execute(&lock))?;
        work(connection)
    })
}

/// The names of the migrations that the database lacks.
///
/// # Errors
/// What the database said.
pub fn pending_migrations(connection: &mut DbConnection) -> DbResult<Vec<String>> {
    let pending = |status: MigrationStatus| (status.state == MigrationState::Pending).then_some(status.name);
    Ok(statuses(connection)?.into_iter().filter_map(pending).collect())
}

/// All migrations that this binary knows, in order, then those that it does not.
///
/// # Errors
/// What the database said.
pub fn statuses(connection: &mut DbConnection) -> DbResult<Vec<MigrationStatus>> {
    let mut applied = applied(connection)?;
    applied.retain(|version| !DIESELS_OWN.starts_with(version));
    let known: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations().map_err(internal)?;
    let mut statuses = Vec::with_capacity(known.len());
    for migration in &known {
        let version = migration.name().version().to_string();
        let state = if applied.remove(&version) { MigrationState::Applied } else { MigrationState::Pending };
        statuses.push(MigrationStatus { name: migration.name().to_string(), state });
    }
    statuses.extend(applied.into_iter().map(|name| MigrationStatus { name, state: MigrationState::Unknown }));
    Ok(statuses)
}

/// The versions that the database has, in order. Diesel's own look-up makes its table where it is missing; whoever only
/// looks makes nothing, and need not be allowed to.
fn applied(connection: &mut DbConnection) -> DbResult<BTreeSet<String>> {
    let is_there = match connection {
        DbConnection::Postgres(_) => "to_regclass('__diesel_schema_migrations') IS NOT NULL",
        DbConnection::Sqlite(_) => "EXISTS (SELECT 1 FROM sqlite_master WHERE name = '__diesel_schema_migrations')",
    };
    if !diesel::select(sql::<Bool>(is_there)).get_result(connection)? {
        return Ok(BTreeSet::new());
    }
    let versions = sql::<Text>("SELECT version FROM __diesel_schema_migrations").load(connection)?;
    Ok(versions.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use diesel_migrations::FileBasedMigrations;

    use super::*;

    #[test]
    fn a_folder_that_diesel_database_setup_left_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [DIESELS_OWN, "2026-11-23-000001_create_customers"] {
            let migration = folder.path().join(name);
            std::fs::create_dir(&migration).expect("a migration");
            std::fs::write(migration.join("up.sql"), "SELECT 1").expect("its SQL");
        }
        let source = Ours(FileBasedMigrations::from_path(folder.path()).expect("migrations"));
        let found: Vec<Box<dyn Migration<Sqlite>>> = source.migrations().expect("a list");
        let names: Vec<String> = found.iter().map(|migration| migration.name().to_string()).collect();
        assert_eq!(names, ["2026-11-23-000001_create_customers"]);
    }
}
