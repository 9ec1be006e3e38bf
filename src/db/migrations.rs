//! The embedded migrations, run by the service or by `clientele migrate`; the diesel CLI reads the same folder.

use diesel::PgConnection;
use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::on_backend;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

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
    use diesel::migration::{Migration, MigrationSource};

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
