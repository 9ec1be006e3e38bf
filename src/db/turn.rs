//! Turns: SQLite admits one writer at a time.

use std::sync::Arc;

use parking_lot::Mutex;

/// Writers of this process wait here instead of in SQLite's busy handler, which sleeps.
///
/// The lock is one that hands itself on: a batching thread that takes its next turn the moment it ended one would
/// otherwise leave a sign-in, or the checkpoint, waiting for as long as it is busy.
#[derive(Clone)]
pub(super) struct Turn(Option<Arc<Mutex<()>>>);

impl Turn {
    /// For a database that sorts its writers itself, and for who only reads.
    pub(super) fn not_needed() -> Self {
        Self(None)
    }

    /// Shared by all clones.
    pub(super) fn one_at_a_time() -> Self {
        Self(Some(Arc::new(Mutex::new(()))))
    }

    /// Runs `work` alone among those who take this turn.
    pub(super) fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let _held = self.0.as_ref().map(|turn| turn.lock());
        work()
    }
}
