//! Transactions, for batches of changes and for work that must leave nothing behind in a session.

use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, TransactionManager};

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::on_backend;
use crate::settings::{Session, Target};
use crate::threads::Progress;

/// The service holds locks for milliseconds. A longer wait means that somebody else's transaction is open.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_millis(50);

/// How long a command tries again while another transaction is in the way.
const COMMAND_PATIENCE: Duration = Duration::from_secs(3);

/// How transactions begin.
pub(super) struct Begin {
    sql: String,
    /// Whether all work needs a transaction, even a single statement.
    always: bool,
}

impl Begin {
    /// A plain `BEGIN`. Only the session's time-outs apply.
    pub(super) fn plain() -> Self {
        Self { sql: "BEGIN".to_owned(), always: false }
    }

    /// Takes SQLite's write lock at once. Otherwise a transaction that reads first would fail at its first write if
    /// another connection has written in between.
    pub(super) fn immediate() -> Self {
        Self { sql: "BEGIN IMMEDIATE".to_owned(), always: false }
    }

    /// Returns how the service's transactions begin on this database. If a pooler lends the session, the time-outs are
    /// set for the transaction, in the same message as `BEGIN`, which needs no extra round trip.
    pub(super) fn of(target: &Target, statement_timeout: Duration) -> Self {
        match target {
            Target::Sqlite(_) => Self::immediate(),
            Target::Postgres(_, Session::Direct) => Self::plain(),
            Target::Postgres(_, Session::Pooled) => Self {
                sql: format!(
                    "BEGIN; SET LOCAL statement_timeout = {0}; SET LOCAL idle_in_transaction_session_timeout = {0};
                     SET LOCAL lock_timeout = {1}",
                    statement_timeout.as_millis(),
                    LOCK_TIMEOUT.as_millis()
                ),
                always: true,
            },
        }
    }
}

/// Runs work that is a single statement or begins its own transaction. If the time-outs need a transaction, it runs in
/// one.
///
/// # Errors
/// Returns the error of `work`. See also [`write_transaction`].
pub(super) fn limited<T>(
    connection: &mut DbConnection,
    begin: &Begin,
    work: impl FnOnce(&mut DbConnection) -> DbResult<T>,
) -> DbResult<T> {
    if begin.always { write_transaction(connection, begin, &Progress::default(), work) } else { work(connection) }
}

/// Runs `work` in a transaction that can write, and commits it.
///
/// # Errors
/// Rolls back and returns the error of `work`. Returns [`DbError::CommitLost`] if the connection breaks during the
/// commit, and [`DbError::TimedOut`] if the thread was replaced meanwhile: its replacement may already have served the
/// same customer.
pub(super) fn write_transaction<T>(
    connection: &mut DbConnection,
    begin: &Begin,
    progress: &Progress,
    work: impl FnOnce(&mut DbConnection) -> DbResult<T>,
) -> DbResult<T> {
    on_backend!(connection, concrete => AnsiTransactionManager::begin_transaction_sql(concrete, &begin.sql))?;
    let worked = match work(connection) {
        Ok(_) if progress.is_replaced() => Err(DbError::TimedOut("the thread was replaced".into())),
        worked => worked,
    };
    match &worked {
        Ok(_) => commit(connection)?,
        // If the connection broke, the database rolls back by itself.
        Err(_) => on_backend!(connection, concrete => AnsiTransactionManager::rollback_transaction(concrete))
            .unwrap_or_else(|error| log::debug!("a transaction could not be rolled back: {error}")),
    }
    worked
}

/// Runs the work of a command in a transaction that can write. While another transaction is in the way, it tries again
/// for a few seconds.
///
/// # Errors
/// What `work` says, and see [`write_transaction`].
pub(crate) fn in_transaction<T>(
    connection: &mut DbConnection,
    mut work: impl FnMut(&mut DbConnection) -> DbResult<T>,
) -> DbResult<T> {
    let begin = match connection {
        DbConnection::Sqlite(_) => Begin::immediate(),
        DbConnection::Postgres(_) => Begin::plain(),
    };
    let started = Instant::now();
    loop {
        match write_transaction(connection, &begin, &Progress::default(), &mut work) {
            Err(DbError::Busy | DbError::Contention(_)) if started.elapsed() < COMMAND_PATIENCE => {
                std::thread::sleep(LOCK_TIMEOUT);
            }
            outcome => return outcome,
        }
    }
}

fn commit(connection: &mut DbConnection) -> DbResult<()> {
    let committed = on_backend!(connection, concrete => AnsiTransactionManager::commit_transaction(concrete));
    committed.map_err(|error| match DbError::from(error) {
        // An unknown error does not say whether the commit was done, either.
        DbError::Unavailable(text) | DbError::Internal(text) => DbError::CommitLost(text),
        other => other,
    })
}
