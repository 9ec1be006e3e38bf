//! The embedded migrations, run by the service or by `clientele migrate`; the diesel CLI reads the same folder.

use diesel::PgConnection;
use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::migration::{self, Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::on_backend;

const EMBEDDED: EmbeddedMigrations = embed_migrations!("migrations");
const MIGRATIONS: Ours<EmbeddedMigrations> = Ours(EMBEDDED);

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

/// One migration and whether it has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// The folder's name.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
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
    fn run<DB: Backend>(connection: &mut impl MigrationHarness<DB>) -> DbResult<Vec<String>> {
        let applied = connection.run_pending_migrations(MIGRATIONS).map_err(internal)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    }
    match connection {
        DbConnection::Postgres(postgres) => locked(postgres, run),
        DbConnection::Sqlite(sqlite) => sqlite.immediate_transaction(run),
    }
}

/// Reverts the migration applied last and returns its version.
///
/// # Errors
/// What the database said, or that there is nothing to revert.
pub fn revert_last(connection: &mut DbConnection) -> DbResult<String> {
    fn revert<DB: Backend>(connection: &mut impl MigrationHarness<DB>) -> DbResult<String> {
        connection.revert_last_migration(MIGRATIONS).map(|version| version.to_string()).map_err(internal)
    }
    match connection {
        DbConnection::Postgres(postgres) => locked(postgres, revert),
        DbConnection::Sqlite(sqlite) => sqlite.immediate_transaction(revert),
    }
}

/// Runs `work` under the advisory lock. On SQLite an immediate transaction around all does the same: each
/// migration's own becomes a savepoint in it.
fn locked<T>(postgres: &mut PgConnection, work: impl FnOnce(&mut PgConnection) -> DbResult<T>) -> DbResult<T> {
    postgres.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))?;
    let outcome = work(postgres);
    postgres.batch_execute(&format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})"))?;
    outcome
}

/// The names of the migrations that the database lacks.
///
/// # Errors
/// What the database said.
pub fn pending_migrations(connection: &mut DbConnection) -> DbResult<Vec<String>> {
    Ok(statuses(connection)?.into_iter().filter(|status| !status.applied).map(|status| status.name).collect())
}

/// All known migrations in order.
///
/// # Errors
/// What the database said.
pub fn statuses(connection: &mut DbConnection) -> DbResult<Vec<MigrationStatus>> {
    let pending: Vec<String> = on_backend!(connection, concrete => {
        concrete.pending_migrations(MIGRATIONS)
            .map(|migrations| migrations.iter().map(|migration| migration.name().to_string()).collect())
    })
    .map_err(internal)?;
    let known: Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>> = MIGRATIONS.migrations().map_err(internal)?;
    Ok(known
        .iter()
        .map(|migration| migration.name().to_string())
        .map(|name| MigrationStatus { applied: !pending.contains(&name), name })
        .collect())
}

/// The versions that the database has and this binary does not know: it is newer, or somebody else's.
///
/// # Errors
/// What the database said.
pub fn unknown_migrations(connection: &mut DbConnection) -> DbResult<Vec<String>> {
    let known: Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>> = MIGRATIONS.migrations().map_err(internal)?;
    let known: Vec<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    let mut applied: Vec<String> = on_backend!(connection, concrete => concrete.applied_migrations())
        .map_err(internal)?
        .iter()
        .map(ToString::to_string)
        .collect();
    applied.sort();
    applied.retain(|version| !known.contains(version) && !DIESELS_OWN.starts_with(version.as_str()));
    Ok(applied)
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
        let found: Vec<Box<dyn Migration<diesel::sqlite::Sqlite>>> = source.migrations().expect("a list");
        let names: Vec<String> = found.iter().map(|migration| migration.name().to_string()).collect();
        assert_eq!(names, ["2026-11-23-000001_create_customers"]);
    }
}
