//! A thread's connection: opened when needed, kept, checked after a pause, dropped when broken, and handed over to
//! another thread where the database has none left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2d2::PooledConnection;

use super::connection::DbConnection;
use super::counts::{count_outcome, count_retry};
use super::error::{DbError, DbResult};
use super::pool::{Manager, Pool};
use super::transaction::Begin;
use super::write_lock::WriteLock;

/// A connection that rested longer is pinged first, so that a restart of the database costs no client an error.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(1);
/// After a failure to connect, requests fail at once for this long instead of each waiting for a timeout.
const FAIL_FAST: Duration = Duration::from_millis(500);
/// How long a later attempt to reach a database that was gone may take.
const LATER_ATTEMPT: Duration = Duration::from_millis(250);
/// For how long work that met another transaction is tried again.
pub(super) const RETRY_FOR: Duration = Duration::from_secs(3);

/// How often work is tried again whose statements do not fit the tables.
const STALE_AGAIN: u32 = 3;

pub(super) struct ThreadConnection {
    pool: Pool,
    writes: bool,
    write_lock: WriteLock,
    held: Option<PooledConnection<Manager>>,
    last_used: Instant,
    failed: Option<(Instant, String)>,
}

/// What may be done about a connection that broke.
#[derive(Clone, Copy)]
pub(super) enum OnLoss {
    /// Run the work once more: it only reads, or it reports a lost commit by itself.
    Repeat,
    /// Report it: nobody knows whether the work was done.
    Report,
}

impl ThreadConnection {
    /// For work that only reads.
    pub(super) fn reading(pool: Pool) -> Self {
        Self {
            pool,
            writes: false,
            write_lock: WriteLock::default(),
            held: None,
            last_used: Instant::now(),
            failed: None,
        }
    }

    /// For changes.
    pub(super) fn writing(pool: Pool, write_lock: WriteLock) -> Self {
        Self { writes: true, write_lock, ..Self::reading(pool) }
    }

    /// How transactions begin.
    pub(super) fn begin(&self) -> Arc<Begin> {
        Arc::clone(&self.pool.begin)
    }

    /// Runs `work` until it does not meet another transaction, for up to [`RETRY_FOR`]. A connection that broke is
    /// replaced, and `work` runs once more where `on_loss` says so.
    /// A panic in `work` becomes [`DbError::Internal`] and costs the connection.
    pub(super) fn run<T>(
        &mut self,
        on_loss: OnLoss,
        mut work: impl FnMut(&mut DbConnection) -> DbResult<T>,
    ) -> DbResult<T> {
        let started = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = match on_loss {
                OnLoss::Repeat => self.once(&mut work),
                OnLoss::Report => self.fitting(&mut work),
            };
            match outcome {
                Err(DbError::Contention(_) | DbError::Busy) if started.elapsed() < RETRY_FOR => {
                    count_retry(&outcome, self.pool.metrics());
                    std::thread::sleep(Duration::from_millis(rand::random_range(1..=5 * tries)));
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs `work` a single time, or twice where the connection broke.
    pub(super) fn once<T>(&mut self, mut work: impl FnMut(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        match self.fitting(&mut work) {
            Err(DbError::Unavailable(_) | DbError::Unwritable(_)) if self.failed.is_none() => {
                self.pool.metrics().retries.connection_lost.inc();
                self.fitting(work)
            }
            outcome => outcome,
        }
    }

    /// Runs `work`, and again on another connection where the statements that this one had prepared fit the tables no more:
    /// nothing had been changed. Tables may be altered once more while another connection prepares its own.
    fn fitting<T>(&mut self, mut work: impl FnMut(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        let mut outcome = self.attempt(&mut work);
        for _ in 0..STALE_AGAIN {
            if !matches!(outcome, Err(DbError::StaleStatement(_))) {
                break;
            }
            outcome = self.attempt(&mut work);
        }
        outcome
    }

    fn attempt<T>(&mut self, work: impl FnOnce(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        let outcome = self.attempt_uncounted(work);
        count_outcome(&outcome, self.pool.metrics());
        outcome
    }

    fn attempt_uncounted<T>(&mut self, work: impl FnOnce(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        let mut held = self.connected()?;
        let outcome = self.write_lock.hold(|| {
            catch_unwind(AssertUnwindSafe(|| work(&mut held.connection)))
                .unwrap_or_else(|panic| Err(DbError::Internal(panic_text(panic.as_ref()))))
        });
        self.last_used = Instant::now();
        // After an unknown error the connection's state is unknown too.
        held.broken = matches!(
            outcome,
            Err(DbError::Unavailable(_)
                | DbError::Unwritable(_)
                | DbError::CommitLost(_)
                | DbError::StaleStatement(_)
                | DbError::Internal(_))
        );
        if self.writes {
            self.pool.note_change(&outcome);
        }
        self.held = (!held.broken).then_some(held);
        outcome
    }

    /// Gives the connection to another thread, if one waits for a connection of its own.
    pub(super) fn hand_over_if_wanted(&mut self) {
        if self.pool.is_wanted() {
            self.held = None;
        }
    }

    /// The connection that is held, or another one where it does not answer any more.
    fn connected(&mut self) -> DbResult<PooledConnection<Manager>> {
        self.pool.in_place()?;
        if let Some(mut held) = self.held.take() {
            if self.last_used.elapsed() < IDLE_BEFORE_PING || held.ping().is_ok() {
                return Ok(held);
            }
            held.broken = true;
        }
        let nobody_is_connected = self.pool.is_disconnected();
        if nobody_is_connected
            && let Some((at, reason)) = &self.failed
            && at.elapsed() < FAIL_FAST
        {
            return Err(DbError::Unavailable(reason.clone()));
        }
        // While the database is known to be gone, another attempt must not hold up those who wait behind.
        let timeout = (nobody_is_connected && self.failed.is_some()).then_some(LATER_ATTEMPT);
        let taken = self.pool.take(timeout).map_err(|error| error.to_string());
        self.failed = taken.as_ref().err().map(|reason| (Instant::now(), reason.clone()));
        taken.map_err(DbError::Unavailable)
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a text"))
}
