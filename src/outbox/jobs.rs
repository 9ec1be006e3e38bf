//! Database work of the delivery thread, which waits for an outage to end.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::runtime::Runtime;

use crate::db::{Database, DbConnection, DbError, DbResult};

/// The pause before a job is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a job is tried that fails for no reason that a wait would end. Its mail must not hold up the others.
const DEFECTS: u32 = 5;

/// Runs jobs, and tells whether the service stops.
pub(super) struct Jobs {
    database: Database,
    runtime: Runtime,
    stopped: Receiver<()>,
    /// Whether the last job succeeded, so that an outage is logged once.
    has_database: bool,
}

impl Jobs {
    pub(super) fn new(database: Database, runtime: Runtime, stopped: Receiver<()>) -> Self {
        Self { database, runtime, stopped, has_database: true }
    }

    /// Waits, and returns whether the service stops.
    pub(super) fn is_stopped_within(&self, pause: Duration) -> bool {
        self.stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
    }

    /// Runs a job that writes. `None` if it failed.
    pub(super) fn write<T: Send + 'static>(
        &mut self,
        job: impl FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
    ) -> Option<T> {
        let outcome = self.runtime.block_on(self.database.write(None, job));
        self.note(outcome)
    }

    /// Runs a job that only reads. `None` if it failed.
    pub(super) fn read<T: Send + 'static>(
        &mut self,
        job: impl FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
    ) -> Option<T> {
        let outcome = self.runtime.block_on(self.database.read(None, job));
        self.note(outcome)
    }

    /// Runs a job that writes, again and again until it succeeds. `None` if the service stops first, or there is a defect: the
    /// mail is due again when its lease ends.
    pub(super) fn insist<T: Send + 'static>(
        &mut self,
        job: impl FnMut(&mut DbConnection) -> DbResult<T> + Clone + Send + 'static,
    ) -> Option<T> {
        let mut defects = 0;
        loop {
            let outcome = self.runtime.block_on(self.database.write(None, job.clone()));
            if let Err(DbError::Internal(reason)) = &outcome {
                log::error!("a mail waits because of a defect: {reason}");
                defects += 1;
            }
            let done = self.note(outcome);
            if done.is_some() || defects == DEFECTS || self.is_stopped_within(PAUSE) {
                return done;
            }
        }
    }

    fn note<T>(&mut self, outcome: DbResult<T>) -> Option<T> {
        let has_database = outcome.is_ok();
        match outcome {
            Ok(value) => {
                if !self.has_database {
                    log::info!("mails are delivered again");
                }
                self.has_database = has_database;
                Some(value)
            }
            Err(error) => {
                if self.has_database {
                    log::warn!("mails wait for the database: {error}");
                }
                self.has_database = has_database;
                None
            }
        }
    }
}
