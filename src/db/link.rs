//! A thread's hold on its connection: opened when needed, kept, checked after a pause, dropped when broken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use diesel::r2d2::R2D2Connection;
use r2d2::PooledConnection;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::on_backend;
use super::pool::{Manager, Pool};

/// A connection that rested longer is pinged first, so that a restart of the database costs no client an error.
const RESTED: Duration = Duration::from_secs(1);
/// After a failure to connect, requests fail at once for this long instead of queueing behind a timeout each.
const FAIL_FAST: Duration = Duration::from_millis(500);
/// How long a later look for a database that was gone may take.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often, and for how long, work that met contention is tried anew.
const TRIES: u32 = 10;
const TRIES_FOR: Duration = Duration::from_secs(3);

pub(super) struct Link {
    pool: Pool,
    held: Option<PooledConnection<Manager>>,
    last_used: Instant,
    failed: Option<(Instant, String)>,
}

impl Link {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, held: None, last_used: Instant::now(), failed: None }
    }

    /// Runs `work` on the connection until it does not meet contention, a bounded number of times. A connection
    /// that broke is replaced, and `work` runs once more where `repeatable` says that this is safe.
    /// A panic in `work` becomes [`DbError::Internal`] and costs the connection.
    pub(super) fn run<T>(
        &mut self,
        repeatable: bool,
        mut work: impl FnMut(&mut DbConnection) -> DbResult<T>,
    ) -> DbResult<T> {
        let started = Instant::now();
        let mut tries = 0;
        let mut reconnected = false;
        loop {
            let outcome = self.once(&mut work);
            tries += 1;
            match outcome {
                Err(DbError::Contention(_)) if tries < TRIES && started.elapsed() < TRIES_FOR => {
                    std::thread::sleep(backoff(tries));
                }
                Err(DbError::Unavailable(_)) if repeatable && !reconnected && self.failed.is_none() => {
                    reconnected = true;
                }
                other => return other,
            }
        }
    }

    /// Runs `work` a single time.
    pub(super) fn once<T>(&mut self, mut work: impl FnMut(&mut DbConnection) -> DbResult<T>) -> DbResult<T> {
        self.ensure()?;
        let Some(held) = self.held.as_mut() else {
            return Err(DbError::Internal("no connection is held".into()));
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut held.connection)))
            .unwrap_or_else(|panic| Err(DbError::Internal(panic_text(panic.as_ref()))));
        self.last_used = Instant::now();
        // After an unknown error the connection's state is unknown too.
        if matches!(outcome, Err(DbError::Unavailable(_) | DbError::Internal(_))) {
            held.broken = true;
            self.held = None;
        }
        outcome
    }

    fn ensure(&mut self) -> DbResult<()> {
        if let Some(held) = self.held.as_mut() {
            if self.last_used.elapsed() < RESTED || is_alive(&mut held.connection) {
                return Ok(());
            }
            held.broken = true;
            self.held = None;
        }
        if let Some((at, reason)) = &self.failed
            && at.elapsed() < FAIL_FAST
        {
            return Err(DbError::Unavailable(reason.clone()));
        }
        // While the database is known to be gone, a look for it must not hold up those who wait behind.
        let found = if self.failed.is_some() { self.pool.get_timeout(LOOK_AGAIN) } else { self.pool.get() };
        match found {
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
