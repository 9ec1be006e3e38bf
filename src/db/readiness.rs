//! The database part of the readiness check.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::executor::Database;
use super::migrations::pending_migrations;

impl Database {
    /// Checks that the database responds, has all migrations and accepts changes. Health checks call it often, so it
    /// writes nothing.
    ///
    /// # Errors
    /// Returns the reason if the service is not ready.
    pub async fn ready(&self) -> DbResult<()> {
        let pool = self.pool.clone();
        let check = move |connection: &mut DbConnection| {
            check_session_writable(connection)?;
            Ok((pool.check_writable(), pending_migrations(connection)?))
        };
        let (writable, pending) = self.read(None, check).await?;
        writable?;
        pending.first().map_or(Ok(()), |first| {
            Err(DbError::Unavailable(format!("{} migrations are pending, {first} first", pending.len())))
        })
    }
}

/// Checks that the session is not read-only, as it is on a standby or if an administrator configured it so. The error
/// makes the thread try a new session, because a session keeps the default that was in effect when it began.
fn check_session_writable(connection: &mut DbConnection) -> DbResult<()> {
    let DbConnection::Postgres(connection) = connection else { return Ok(()) };
    let is_read_only = sql::<Bool>("current_setting('transaction_read_only')::boolean");
    if diesel::select(is_read_only).get_result(connection)? {
        return Err(DbError::Unwritable("PostgreSQL is read-only: a standby, or default_transaction_read_only".into()));
    }
    Ok(())
}
