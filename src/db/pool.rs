//! The connection pool, with an r2d2 manager that opens connections by URL scheme.
//!
//! Diesel's own manager calls `establish()` on the derived connection, which tries one database after the other and
//! hides why each failed. This manager knows which database to open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use parking_lot::Mutex;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::on_backend;
use super::sqlite_file::SqliteFile;
use super::transaction::{Begin, LOCK_TIMEOUT};
use crate::metrics::{self, Open};
use crate::settings::{self, Session, Target};

/// How long the pool keeps a connection that no thread uses.
const IDLE_FOR: Duration = Duration::from_secs(60);
/// How long the service is not ready after the database failed to store a change. Most readiness probes come more
/// often.
const UNWRITABLE_FOR: Duration = Duration::from_secs(10);

/// The connections to one database. The pool opens them, and threads keep them until another thread needs one.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: r2d2::Pool<Manager>,
    /// The number of threads that wait for a connection.
    waiting_threads: Arc<AtomicUsize>,
    /// SQLite only.
    file: Option<Arc<SqliteFile>>,
    /// When and why the database last refused a change.
    unwritable: Arc<Mutex<Option<(Instant, String)>>>,
    /// How transactions begin.
    pub(super) begin: Arc<Begin>,
    metrics: metrics::Database,
}

impl Pool {
    /// Opens a connection, or takes one that another thread handed over. Without a `timeout`, the configured one
    /// applies.
    ///
    /// # Errors
    /// No connection was available in time.
    pub(super) fn take(&self, timeout: Option<Duration>) -> Result<r2d2::PooledConnection<Manager>, r2d2::Error> {
        self.waiting_threads.fetch_add(1, Ordering::Relaxed);
        let timeout = timeout.unwrap_or_else(|| self.connections.connection_timeout());
        let taken = self.connections.get_timeout(timeout);
        self.waiting_threads.fetch_sub(1, Ordering::Relaxed);
        taken
    }

    /// Returns whether a thread waits for a connection, for example because the database accepts no more of them.
    pub(super) fn has_waiting_threads(&self) -> bool {
        self.waiting_threads.load(Ordering::Relaxed) > 0
    }

    /// Checks that SQLite's files are still the ones that the service opened.
    ///
    /// # Errors
    /// See [`SqliteFile::check_in_place`].
    pub(super) fn check_in_place(&self) -> DbResult<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.check_in_place())
    }

    /// Checks whether the database can store changes, without making one.
    ///
    /// # Errors
    /// See [`SqliteFile::check`]. [`DbError::Unwritable`] also if the database failed to store a change a moment ago.
    pub(super) fn check_writable(&self) -> DbResult<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())?;
        match &*self.unwritable.lock() {
            Some((at, reason)) if at.elapsed() < UNWRITABLE_FOR => Err(DbError::Unwritable(reason.clone())),
            _ => Ok(()),
        }
    }

    /// Records whether the database could store a change.
    pub(super) fn record_change<T>(&self, outcome: &DbResult<T>) {
        match outcome {
            Ok(_) => *self.unwritable.lock() = None,
            Err(DbError::Unwritable(reason) | DbError::CommitLost(reason)) => {
                *self.unwritable.lock() = Some((Instant::now(), reason.clone()));
            }
            Err(_) => {}
        }
    }

    /// Returns the database metrics.
    pub(super) fn metrics(&self) -> &metrics::Database {
        &self.metrics
    }

    /// Returns whether no connection is open.
    pub(super) fn is_disconnected(&self) -> bool {
        self.connections.state().connections == 0
    }
}

/// Opens, checks and discards the pool's connections.
pub(crate) struct Manager {
    target: Target,
    settings: settings::Database,
    file: Option<Arc<SqliteFile>>,
    metrics: metrics::Database,
}

impl Manager {
    fn check_in_place(&self) -> Result<(), diesel::ConnectionError> {
        let replaced = |error: DbError| diesel::ConnectionError::BadConnection(error.to_string());
        self.file.as_ref().map_or(Ok(()), |file| file.check_in_place()).map_err(replaced)
    }
}

/// A pooled connection, and whether it broke. The pool drops broken connections.
pub(crate) struct Managed {
    pub(super) connection: DbConnection,
    pub(super) broken: bool,
    _counted: Open,
}

impl Managed {
    pub(super) fn ping(&mut self) -> QueryResult<()> {
        on_backend!(&mut self.connection, concrete => concrete.ping())
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Managed;
    type Error = diesel::ConnectionError;

    fn connect(&self) -> Result<Managed, Self::Error> {
        let (connect_timeout, statement_timeout) = (self.settings.connect_timeout(), self.settings.statement_timeout());
        // Check before, because SQLite would create a missing file. Check after, because the file may be replaced in
        // between.
        self.check_in_place()?;
        let mut connection = self.target.connect(connect_timeout, statement_timeout)?;
        self.check_in_place()?;
        if let Some(sql) = session_settings(&self.target) {
            connection.batch_execute(&sql).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(Managed { connection, broken: false, _counted: self.metrics.connection() })
    }

    fn is_valid(&self, managed: &mut Managed) -> Result<(), Self::Error> {
        managed.ping().map_err(diesel::ConnectionError::CouldntSetupConfiguration)
    }

    fn has_broken(&self, managed: &mut Managed) -> bool {
        managed.broken || on_backend!(&mut managed.connection, concrete => concrete.is_broken())
    }
}

/// Returns the settings of the service's connections, in addition to those that every connection gets.
fn session_settings(target: &Target) -> Option<String> {
    match target {
        // A lock held for longer than 250 ms belongs to another process, and the work is retried later.
        // `checkpoint` does the checkpoints. A cache of 5 MiB holds the inner pages of millions of rows.
        // If a long read let the log grow, SQLite truncates it to 64 MiB when it restarts the log.
        Target::Sqlite(_) => {
            let sql = "PRAGMA busy_timeout = 250; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -5000;
                 PRAGMA journal_size_limit = 67108864";
            Some(sql.to_owned())
        }
        // There are few statements. They take all values as parameters and find rows by index, so one generic plan is
        // enough, and planning each time cost more than running (docs/decisions/0009). The other settings are needed
        // because a plan made while the tables are empty would keep scanning them when they have grown.
        Target::Postgres(_, Session::Direct) => Some(format!(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
             SET enable_mergejoin = off; SET jit = off; SET lock_timeout = {}",
            LOCK_TIMEOUT.as_millis()
        )),
        // Without named statements, PostgreSQL plans each one anyway. `Begin` sets the time-outs.
        Target::Postgres(_, Session::Pooled) => None,
    }
}

/// Creates the pool. It opens no connection until one is needed.
pub(super) fn build(
    target: Target,
    settings: &settings::Database,
    size: u32,
    file: Option<Arc<SqliteFile>>,
    metrics: &metrics::Database,
) -> Pool {
    // Each thread keeps its connection (see `thread_connection`). The pool holds only connections that were handed
    // over, or that were opened after the thread had stopped waiting. It pings them before use, and closes unused ones
    // soon. No error handler: the request that needs the connection logs the failure once, with its request id.
    let begin = Arc::new(Begin::of(&target, settings.statement_timeout()));
    let connections = r2d2::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(true)
        .idle_timeout(Some(IDLE_FOR))
        .max_lifetime(None)
        .connection_timeout(settings.connect_timeout())
        .error_handler(Box::new(r2d2::NopErrorHandler))
        .build_unchecked(Manager { target, settings: settings.clone(), file: file.clone(), metrics: metrics.clone() });
    Pool {
        connections,
        waiting_threads: Arc::default(),
        file,
        unwritable: Arc::default(),
        begin,
        metrics: metrics.clone(),
    }
}
