//! Counts the outcomes of database work.

use super::error::{DbError, DbResult};
use crate::metrics::{Database, Queue};
use crate::threads::Rejected;

/// Counts a failed attempt, and records whether the database responded.
pub(super) fn count_outcome<T>(outcome: &DbResult<T>, metrics: &Database) {
    let Err(error) = outcome else {
        return metrics.record_up(true);
    };
    let errors = &metrics.errors;
    let (counter, is_up) = match error {
        // Not a failure: the email is taken, or a new random id is needed.
        DbError::Unique(_) => return metrics.record_up(true),
        DbError::Contention(_) => (&errors.contention, true),
        DbError::Busy => (&errors.busy, true),
        DbError::Internal(_) => (&errors.internal, true),
        DbError::Unwritable(_) => (&errors.unwritable, true),
        DbError::StaleStatement(_) => (&errors.stale_statement, true),
        DbError::Unavailable(_) => (&errors.unavailable, false),
        DbError::CommitLost(_) => (&errors.commit_lost, false),
        DbError::TimedOut(_) => (&errors.timed_out, false),
        // The queue counts these.
        DbError::Overloaded | DbError::ShareTaken => return,
    };
    counter.inc();
    metrics.record_up(is_up);
}

/// Counts work that is about to be retried.
pub(super) fn count_retry<T>(outcome: &DbResult<T>, metrics: &Database) {
    match outcome {
        Err(DbError::Busy) => metrics.retries.busy.inc(),
        _ => metrics.retries.contention.inc(),
    };
}

/// Counts failures that only the requester sees: retries took too long, or the thread has not replied in time.
pub(super) fn count_reply<T>(reply: &Result<DbResult<T>, Rejected>, queue: &Queue, metrics: &Database) {
    match reply {
        Ok(Err(DbError::Busy | DbError::Contention(_))) => {
            queue.locked.inc();
        }
        Err(Rejected::Stuck) => {
            metrics.errors.timed_out.inc();
            metrics.record_up(false);
        }
        _ => {}
    }
}
