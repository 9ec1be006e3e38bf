//! Which counter an outcome of work on the database belongs to.

use super::error::{DbError, DbResult};
use crate::metrics::{Database, Queue};
use crate::threads::Rejected;

/// Counts an attempt that failed, and notes whether the database answered.
pub(super) fn count_outcome<T>(outcome: &DbResult<T>, metrics: &Database) {
    let Err(error) = outcome else {
        return metrics.is_up(true);
    };
    let errors = &metrics.errors;
    let (counter, answered) = match error {
        // It answered, and nothing failed: the email is taken, or the id is drawn again.
        DbError::Unique(_) => return metrics.is_up(true),
        DbError::Contention(_) => (&errors.contention, true),
        DbError::Busy => (&errors.busy, true),
        DbError::Internal(_) => (&errors.internal, true),
        DbError::Unwritable(_) => (&errors.unwritable, true),
        DbError::StaleStatement(_) => (&errors.stale_statement, true),
        DbError::Unavailable(_) => (&errors.unavailable, false),
        DbError::CommitLost(_) => (&errors.commit_lost, false),
        DbError::TimedOut(_) => (&errors.timed_out, false),
        // These are a queue's.
        DbError::Overloaded | DbError::ShareTaken => return,
    };
    counter.inc();
    metrics.is_up(answered);
}

/// Counts work that is about to be tried again.
pub(super) fn count_retry<T>(outcome: &DbResult<T>, metrics: &Database) {
    match outcome {
        Err(DbError::Busy) => metrics.retries.busy.inc(),
        _ => metrics.retries.contention.inc(),
    };
}

/// Counts what the requester is told, where the thread could not: it tried for too long, or it has no outcome yet.
pub(super) fn count_reply<T>(reply: &Result<DbResult<T>, Rejected>, queue: &Queue, metrics: &Database) {
    match reply {
        Ok(Err(DbError::Busy | DbError::Contention(_))) => {
            queue.locked.inc();
        }
        Err(Rejected::Stuck) => {
            metrics.errors.timed_out.inc();
            metrics.is_up(false);
        }
        _ => {}
    }
}
