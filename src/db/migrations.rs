//! The embedded migrations. The service and `clientele migrate` run them, and the diesel CLI reads the same folder.

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

const MIGRATIONS: OwnMigrations<EmbeddedMigrations> = OwnMigrations(embed_migrations!("migrations"));

/// The migration that `diesel database setup` adds to a checkout. It is for PostgreSQL only and not part of the schema.
const DIESEL_SETUP: &str = "00000000000000_diesel_initial_setup";

/// A source of migrations that leaves out [`DIESEL_SETUP`].
struct OwnMigrations<S>(S);

impl<DB: Backend, S: MigrationSource<DB>> MigrationSource<DB> for OwnMigrations<S> {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn Migration<DB>>>> {
        let mut migrations = self.0.migrations()?;
        migrations.retain(|migration| migration.name().to_string() != DIESEL_SETUP);
        Ok(migrations)
    }
}

/// The key of the advisory lock: "clientel" in ASCII. Any number would do, if every instance uses the same.
const ADVISORY_LOCK: i64 = 0x636c_6965_6e74_656c;

/// A migration and its state in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// The name of the folder, or only the version if the migration is unknown.
    pub name: String,
    /// Its state.
    pub state: MigrationState,
}

/// The state of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// The database has it.
    Applied,
    /// The database lacks it.
    Pending,
    /// The database has it but this binary does not know it. The database is newer.
    Unknown,
}

fn internal(error: Box<dyn std::error::Error + Send + Sync>) -> DbError {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => DbError::from(*error),
        Err(error) => DbError::Internal(error.to_string()),
    }
}

/// Applies the pending migrations and returns their versions. Instances that start together wait for each other.
///
/// # Errors
/// Returns the database's error for the first migration that fails.
pub fn migrate(connection: &mut DbConnection) -> DbResult<Vec<String>> {
    locked(connection, |connection| {
        let applied = connection.run_pending_migrations(MIGRATIONS).map_err(internal)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    })
}

/// Reverts the latest migration and returns its version.
///
/// # Errors
/// Returns the database's error, or an error if there is nothing to revert.
pub fn revert_last(connection: &mut DbConnection) -> DbResult<String> {
    locked(connection, |connection| {
        connection.revert_last_migration(MIGRATIONS).map(|version| version.to_string()).map_err(internal)
    })
}

/// Runs `work` in one transaction while no other instance migrates. The transaction of each migration becomes a
/// savepoint. PostgreSQL's advisory lock is released with the transaction, so this also works through a pooler.
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

/// Returns the names of the migrations that the database lacks.
///
/// # Errors
/// Returns the database's error.
pub fn pending_migrations(connection: &mut DbConnection) -> DbResult<Vec<String>> {
    let pending = |status: MigrationStatus| (status.state == MigrationState::Pending).then_some(status.name);
    Ok(statuses(connection)?.into_iter().filter_map(pending).collect())
}

/// Returns all migrations that this binary knows, in order, then those that it does not know.
///
/// # Errors
/// Returns the database's error.
pub fn statuses(connection: &mut DbConnection) -> DbResult<Vec<MigrationStatus>> {
    let mut applied = applied(connection)?;
    applied.retain(|version| !DIESEL_SETUP.starts_with(version));
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

/// Returns the versions that the database has, in order. Diesel's own query creates its table if it is missing. A
/// command that only reads must create nothing, because its role may not be allowed to.
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
        for name in [DIESEL_SETUP, "2026-11-23-000001_create_customers"] {
            let migration = folder.path().join(name);
            std::fs::create_dir(&migration).expect("a migration");
            std::fs::write(migration.join("up.sql"), "SELECT 1").expect("its SQL");
        }
        let source = OwnMigrations(FileBasedMigrations::from_path(folder.path()).expect("migrations"));
        let found: Vec<Box<dyn Migration<Sqlite>>> = source.migrations().expect("a list");
        let names: Vec<String> = found.iter().map(|migration| migration.name().to_string()).collect();
        assert_eq!(names, ["2026-11-23-000001_create_customers"]);
    }
}
