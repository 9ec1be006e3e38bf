//! A thread's connection: opened when needed, kept, checked after a pause, dropped when broken, and handed over to
//! another thread where the database has none left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use diesel::r2d2::R2D2Connection;
use r2d2::PooledConnection;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::on_backend;
use super::pool::{Manager, Pool};
use super::write_lock::WriteLock;

/// A connection that rested longer is pinged first, so that a restart of the database costs no client an error.
const IDLE_BEFORE_PING: Duration = Duration::from_secs(1);
/// After a failure to connect, requests fail at once for this long instead of each waiting for a timeout.
const FAIL_FAST: Duration = Duration::from_millis(500);
/// How long a later attempt to reach a database that was gone may take.
const LATER_ATTEMPT: Duration = Duration::from_millis(250);
/// How often, and for how long, work that met another transaction is tried again.
const TRIES: u32 = 10;
pub(super) const RETRY_FOR: Duration = Duration::from_secs(3);

pub(super) struct ThreadConnection {
    pool: Pool,
    write_lock: WriteLock,
    held: Option<PooledConnection<Manager>>,
    last_used: Instant,
    failed: Option<(Instant, String)>,
}

/// What may be done about a connection that broke.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnLoss {
    /// Run the work once more: it only reads, or it reports a lost commit by itself.
    Repeat,
    /// Report it: nobody knows whether the work was done.
    Report,
}

impl ThreadConnection {
    pub(super) fn new(pool: Pool, write_lock: WriteLock) -> Self {
        Self { pool, write_lock, held: None, last_used: Instant::now(), failed: None }
    }

    /// Runs `work` until it does not meet another transaction, a bounded number of times. A connection that broke is
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
            match self.once(on_loss, &mut work) {
                Err(DbError::Contention(_) | DbError::Busy) if tries < TRIES && started.elapsed() < RETRY_FOR => {
                    std::thread::sleep(backoff(tries));
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs `work` a single time, or twice where the connection broke and `on_loss` says so.
    pub(super) fn once<T>(
        &mut self,
        on_loss: OnLoss,
        mut work: impl FnMut(&mut DbConnection) -> DbResult<T>,
    ) -> DbResult<T> {
        match self.attempt(&mut work) {
            Err(DbError::Unavailable(_)) if on_loss == OnLoss::Repeat && self.failed.is_none() => self.attempt(work),
            outcome => outcome,
        }
    }

    fn attempt<T>(&mut self, work: impl FnOnce(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        self.ensure()?;
        let Some(held) = self.held.as_mut() else {
            return Err(DbError::Internal("no connection is held".into()));
        };
        let connection = &mut held.connection;
        let outcome = self.write_lock.hold(|| {
            catch_unwind(AssertUnwindSafe(|| work(connection)))
                .unwrap_or_else(|panic| Err(DbError::Internal(panic_text(panic.as_ref()))))
        });
        self.last_used = Instant::now();
        // After an unknown error the connection's state is unknown too.
        if matches!(outcome, Err(DbError::Unavailable(_) | DbError::CommitLost(_) | DbError::Internal(_))) {
            held.broken = true;
            self.held = None;
        }
        outcome
    }

    /// Gives the connection to another thread, if one waits for a connection of its own.
    pub(super) fn hand_over_if_wanted(&mut self) {
        if self.pool.is_wanted() {
            self.held = None;
        }
    }

    fn ensure(&mut self) -> DbResult<()> {
        if let Some(held) = self.held.as_mut() {
            if self.last_used.elapsed() < IDLE_BEFORE_PING || is_alive(&mut held.connection) {
                return Ok(());
            }
            held.broken = true;
            self.held = None;
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
        match self.pool.take(timeout) {
            Ok(connection) => {
                self.held = Some(connection);
                self.failed = None;
                Ok(())
            }
            Err(error) => {
                self.failed = Some((Instant::now(), error.to_string()));
                Err(DbError::Unavailable(error.to_string()))
            }
        }
    }
}

fn is_alive(connection: &mut DbConnection) -> bool {
    on_backend!(connection, concrete => concrete.ping()).is_ok()
}

fn backoff(tries: u32) -> Duration {
    Duration::from_millis(u64::from(rand::random_range(1..=5 * tries)))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_else(|| "without a text".into()))
}
