//! Whether the service is ready for requests, changes included.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::executor::Database;
use super::migrations::pending_migrations;

impl Database {
    /// Whether the database answers, lacks no migration and takes changes. It is asked often, and changes nothing.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn ready(&self) -> DbResult<()> {
        let pool = self.pool.clone();
        let look = move |connection: &mut DbConnection| {
            takes_changes(connection)?;
            Ok((pool.check_writable(), pending_migrations(connection)?))
        };
        let (writable, pending) = self.read(None, look).await?;
        writable?;
        pending.first().map_or(Ok(()), |first| {
            Err(DbError::Unavailable(format!("{} migrations are pending, {first} first", pending.len())))
        })
    }
}

/// Whether this session may change anything: not on a standby, and not where an administrator made it read-only. Where it
/// may not, a new one is tried: a session keeps the default that it began with.
fn takes_changes(connection: &mut DbConnection) -> DbResult<()> {
    let DbConnection::Postgres(connection) = connection else { return Ok(()) };
    let is_read_only = sql::<Bool>("current_setting('transaction_read_only')::boolean");
    if diesel::select(is_read_only).get_result(connection)? {
        return Err(DbError::Unwritable("PostgreSQL is read-only: a standby, or default_transaction_read_only".into()));
    }
    Ok(())
}
