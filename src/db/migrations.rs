//! The embedded migrations, run by the service or by `clientele migrate`; the diesel CLI reads the same folder.

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

/// Applies what is pending and returns the names. Instances that start together take turns.
///
/// # Errors
/// What the database said about the first migration that failed; those before it stay applied.
pub fn migrate(connection: &mut DbConnection) -> DbResult<Vec<String>> {
    alone(connection, |connection| {
        on_backend!(connection, concrete => {
            concrete.run_pending_migrations(MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect())
        })
        .map_err(internal)
    })
}

/// Reverts the migration applied last and returns its name.
///
/// # Errors
/// What the database said, or that there is nothing to revert.
pub fn revert_last(connection: &mut DbConnection) -> DbResult<String> {
    alone(connection, |connection| {
        on_backend!(connection, concrete => concrete.revert_last_migration(MIGRATIONS).map(|version| version.to_string()))
            .map_err(internal)
    })
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

fn alone<T>(connection: &mut DbConnection, work: impl FnOnce(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
    let postgres = matches!(connection, DbConnection::Postgres(_));
    if postgres {
        connection.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))?;
    }
    let outcome = work(connection);
    if postgres {
        connection.batch_execute(&format!("SELECT pg_advisory_unlock({ADVISORY_LOCK})"))?;
    }
    outcome
}
