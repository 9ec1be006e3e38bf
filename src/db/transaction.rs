//! The transaction of a batch of changes.

use diesel::connection::{AnsiTransactionManager, TransactionManager};

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::on_backend;
use crate::threads::Progress;

/// Runs `work` in a transaction that is meant to write, and commits it.
///
/// SQLite locks the database at once (`BEGIN IMMEDIATE`): a transaction that reads first and then writes would fail where
/// another one wrote in between.
///
/// # Errors
/// What `work` says, after the transaction was rolled back. [`DbError::CommitLost`] when the connection broke during the
/// commit. A thread that was replaced meanwhile does not commit: its replacement may have served the customer since.
pub(super) fn write_transaction<T>(
    connection: &mut DbConnection,
    progress: &Progress,
    work: impl FnOnce(&mut DbConnection) -> DbResult<T>,
) -> DbResult<T> {
    match connection {
        DbConnection::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?,
        DbConnection::Postgres(postgres) => AnsiTransactionManager::begin_transaction(postgres)?,
    }
    let worked = match work(connection) {
        Ok(_) if progress.is_given_up() => Err(DbError::TimedOut("the thread was replaced".into())),
        worked => worked,
    };
    match &worked {
        Ok(_) => commit(connection)?,
        // Where the connection broke, the database rolls back by itself.
        Err(_) => on_backend!(connection, concrete => AnsiTransactionManager::rollback_transaction(concrete))
            .unwrap_or_else(|error| log::debug!("a transaction could not be rolled back: {error}")),
    }
    worked
}

fn commit(connection: &mut DbConnection) -> DbResult<()> {
    let committed = on_backend!(connection, concrete => AnsiTransactionManager::commit_transaction(concrete));
    committed.map_err(|error| match DbError::from(error) {
        // What the database said to that is not known, either.
        DbError::Unavailable(text) | DbError::Internal(text) => DbError::CommitLost(text),
        other => other,
    })
}
