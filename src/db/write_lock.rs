//! The write lock: SQLite admits one writer at a time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::error::{DbError, DbResult};

/// How long a writer waits for another one before it fails with [`DbError::Busy`].
pub(super) const WAIT: Duration = Duration::from_millis(250);

/// A lock for the writers of this process. Without it they would wait in SQLite's busy handler, which sleeps.
///
/// The mutex is fair. Otherwise a busy thread that locks it again right after unlocking would keep a sign-in or the
/// checkpoint waiting.
///
/// The default locks nothing. It is for PostgreSQL, which coordinates writers itself, and for readers.
#[derive(Clone, Default)]
pub(super) struct WriteLock(Option<Arc<Mutex<()>>>);

impl WriteLock {
    /// Creates a lock that its clones share.
    pub(super) fn one_at_a_time() -> Self {
        Self(Some(Arc::new(Mutex::new(()))))
    }

    /// Runs `work` while holding the lock.
    ///
    /// # Errors
    /// Returns [`DbError::Busy`] if another writer takes too long, or the error of `work`.
    pub(super) fn hold<T>(&self, work: impl FnOnce() -> DbResult<T>) -> DbResult<T> {
        let Some(lock) = &self.0 else { return work() };
        let _guard = lock.try_lock_for(WAIT).ok_or(DbError::Busy)?;
        work()
    }
}
