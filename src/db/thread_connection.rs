//! A thread's connection. The thread opens it when needed and keeps it. It checks the connection after a pause, drops
//! it when it is broken, and hands it over to another thread if the database accepts no more connections.

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

/// Ping a connection that was idle for longer, so that no client gets an error after a restart of the database.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(1);
/// After a failure to connect, requests fail at once for this long instead of each waiting for a timeout.
const FAIL_FAST: Duration = Duration::from_millis(500);
/// The timeout of an attempt to connect after one has failed.
const RECONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// How long to retry work that conflicts with another transaction.
pub(super) const RETRY_FOR: Duration = Duration::from_secs(3);

/// How many times to retry work whose prepared statements no longer match the tables.
const STALE_RETRIES: u32 = 3;

pub(super) struct ThreadConnection {
    pool: Pool,
    writes: bool,
    write_lock: WriteLock,
    held: Option<PooledConnection<Manager>>,
    last_used: Instant,
    failed: Option<(Instant, String)>,
}

/// What to do when the connection breaks.
#[derive(Clone, Copy)]
pub(super) enum OnLoss {
    /// Run the work once more. It only reads, or it reports a lost commit by itself.
    Repeat,
    /// Report the loss, because the work may have been done.
    Report,
}

impl ThreadConnection {
    /// Creates a connection for work that only reads.
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

    /// Creates a connection for work that writes.
    pub(super) fn writing(pool: Pool, write_lock: WriteLock) -> Self {
        Self { writes: true, write_lock, ..Self::reading(pool) }
    }

    /// Returns how transactions begin.
    pub(super) fn begin(&self) -> Arc<Begin> {
        Arc::clone(&self.pool.begin)
    }

    /// Runs `work`, and retries it for up to [`RETRY_FOR`] while it conflicts with another transaction. If the
    /// connection breaks, `on_loss` decides whether `work` runs once more on a new one. A panic in `work` becomes
    /// [`DbError::Internal`], and the connection is dropped.
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
                OnLoss::Report => self.retry_if_stale(&mut work),
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

    /// Runs `work` once, or a second time if the connection breaks.
    pub(super) fn once<T>(&mut self, mut work: impl FnMut(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        match self.retry_if_stale(&mut work) {
            Err(DbError::Unavailable(_) | DbError::Unwritable(_)) if self.failed.is_none() => {
                self.pool.metrics().retries.connection_lost.inc();
                self.retry_if_stale(work)
            }
            outcome => outcome,
        }
    }

    /// Runs `work`, and retries it on a new connection if a prepared statement no longer matches the tables. Such a
    /// failure has changed nothing. There are several retries because the tables may be altered again in between.
    fn retry_if_stale<T>(&mut self, mut work: impl FnMut(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        let mut outcome = self.attempt(&mut work);
        for _ in 0..STALE_RETRIES {
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
        let mut held = self.connection()?;
        let outcome = self.write_lock.hold(|| {
            catch_unwind(AssertUnwindSafe(|| work(&mut held.connection)))
                .unwrap_or_else(|panic| Err(DbError::Internal(panic_text(panic.as_ref()))))
        });
        self.last_used = Instant::now();
        // After an unknown error, the state of the connection is unknown too.
        held.broken = matches!(
            outcome,
            Err(DbError::Unavailable(_)
                | DbError::Unwritable(_)
                | DbError::CommitLost(_)
                | DbError::StaleStatement(_)
                | DbError::Internal(_))
        );
        if self.writes {
            self.pool.record_change(&outcome);
        }
        self.held = (!held.broken).then_some(held);
        outcome
    }

    /// Hands the connection over if another thread waits for one.
    pub(super) fn hand_over_if_needed(&mut self) {
        if self.pool.has_waiting_threads() {
            self.held = None;
        }
    }

    /// Returns the kept connection if it still works, or a new one.
    fn connection(&mut self) -> DbResult<PooledConnection<Manager>> {
        self.pool.check_in_place()?;
        if let Some(mut held) = self.held.take() {
            if self.last_used.elapsed() < IDLE_BEFORE_PING || held.ping().is_ok() {
                return Ok(held);
            }
            held.broken = true;
        }
        let is_disconnected = self.pool.is_disconnected();
        if is_disconnected
            && let Some((at, reason)) = &self.failed
            && at.elapsed() < FAIL_FAST
        {
            return Err(DbError::Unavailable(reason.clone()));
        }
        // While the database is known to be unreachable, do not let an attempt delay the requests in the queue.
        let timeout = (is_disconnected && self.failed.is_some()).then_some(RECONNECT_TIMEOUT);
        let taken = self.pool.take(timeout).map_err(|error| error.to_string());
        self.failed = taken.as_ref().err().map(|reason| (Instant::now(), reason.clone()));
        taken.map_err(DbError::Unavailable)
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a text"))
}
