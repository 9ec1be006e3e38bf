//! The write lock: SQLite admits one writer at a time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::error::{DbError, DbResult};

/// How long a writer waits for another one before it is told that the database is busy.
pub(super) const WAIT: Duration = Duration::from_millis(250);

/// Writers of this process wait here instead of in SQLite's busy handler, which sleeps.
///
/// The mutex hands itself on: without that, a thread that takes it again right after it released it would leave a
/// sign-in, or the checkpoint, waiting for as long as it is busy.
///
/// The default locks nothing: for a database that sorts its writers itself, and for those who only read.
#[derive(Clone, Default)]
pub(super) struct WriteLock(Option<Arc<Mutex<()>>>);

impl WriteLock {
    /// Shared by all clones.
    pub(super) fn one_at_a_time() -> Self {
        Self(Some(Arc::new(Mutex::new(()))))
    }

    /// Runs `work` alone among those who hold this lock.
    ///
    /// # Errors
    /// [`DbError::Busy`] when another writer took too long, and what `work` says.
    pub(super) fn hold<T>(&self, work: impl FnOnce() -> DbResult<T>) -> DbResult<T> {
        let Some(lock) = &self.0 else { return work() };
        let _held = lock.try_lock_for(WAIT).ok_or(DbError::Busy)?;
        work()
    }
}
