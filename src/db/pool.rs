//! The r2d2 manager that opens connections by URL scheme.
//!
//! Diesel's own manager calls `establish()` on the derived connection, which tries one database after the
//! other and hides why each failed; this one knows which database is meant.

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

/// Closes a connection that no thread holds after this time.
const IDLE_FOR: Duration = Duration::from_secs(60);
/// For how long the service is not ready after a change that the database could not keep. Most probes come more often.
const UNWRITABLE_FOR: Duration = Duration::from_secs(10);

/// The connections to one database. Threads keep theirs; the pool opens them, and passes on those that are handed over.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: r2d2::Pool<Manager>,
    /// How many threads wait for a connection.
    wanted: Arc<AtomicUsize>,
    /// SQLite only.
    file: Option<Arc<SqliteFile>>,
    /// When and why the database last refused a change.
    unwritable: Arc<Mutex<Option<(Instant, String)>>>,
    /// How transactions begin.
    pub(super) begin: Arc<Begin>,
    metrics: metrics::Database,
}

impl Pool {
    /// Opens a connection, or takes one that another thread handed over.
    ///
    /// # Errors
    /// There was none in time: the configured time where no other is given.
    pub(super) fn take(&self, timeout: Option<Duration>) -> Result<r2d2::PooledConnection<Manager>, r2d2::Error> {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let timeout = timeout.unwrap_or_else(|| self.connections.connection_timeout());
        let taken = self.connections.get_timeout(timeout);
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        taken
    }

    /// Whether a thread waits for a connection: the database may have no more of them.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Whether the database is still the one that the service opened.
    ///
    /// # Errors
    /// See [`SqliteFile::in_place`].
    pub(super) fn in_place(&self) -> DbResult<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.in_place())
    }

    /// Whether changes can be kept, as far as can be told without making one.
    ///
    /// # Errors
    /// See [`SqliteFile::check`]; and why the database refused a change a moment ago.
    pub(super) fn check_writable(&self) -> DbResult<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())?;
        match &*self.unwritable.lock() {
            Some((at, reason)) if at.elapsed() < UNWRITABLE_FOR => Err(DbError::Unwritable(reason.clone())),
            _ => Ok(()),
        }
    }

    /// Remembers whether the database could keep a change.
    pub(super) fn note_change<T>(&self, outcome: &DbResult<T>) {
        match outcome {
            Ok(_) => *self.unwritable.lock() = None,
            Err(DbError::Unwritable(reason) | DbError::CommitLost(reason)) => {
                *self.unwritable.lock() = Some((Instant::now(), reason.clone()));
            }
            Err(_) => {}
        }
    }

    /// What the threads count.
    pub(super) fn metrics(&self) -> &metrics::Database {
        &self.metrics
    }

    /// Whether no thread has a connection.
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
    fn in_place(&self) -> Result<(), diesel::ConnectionError> {
        let moved = |error: DbError| diesel::ConnectionError::BadConnection(error.to_string());
        self.file.as_ref().map_or(Ok(()), |file| file.in_place()).map_err(moved)
    }
}

/// A pooled connection that remembers that it broke, so that the pool drops it.
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
        // SQLite would make a file that is missing; and the path may lead elsewhere by the time that it is opened.
        self.in_place()?;
        let mut connection = self.target.connect(connect_timeout, statement_timeout)?;
        self.in_place()?;
        if let Some(sql) = prelude(&self.target) {
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

/// What the service's own connections are told, beyond what every connection is.
fn prelude(target: &Target) -> Option<String> {
    match target {
        // `checkpoint` does it. Five MiB a connection hold the inner pages of millions of rows.
        // A lock that lasts longer than a quarter of a second is another process's: the work is tried again later.
        // A log that grew because somebody read for long is cut to 64 MiB when it is begun anew.
        Target::Sqlite(_) => {
            let sql = "PRAGMA busy_timeout = 250; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -5000;
                 PRAGMA journal_size_limit = 67108864";
            Some(sql.to_owned())
        }
        // The statements are few, take all they need as parameters and look rows up by index, so one plan serves
        // for good: planning anew cost more than running (docs/decisions/0009). Without the other settings a
        // plan made while the tables were empty would go on scanning them when they are not.
        Target::Postgres(_, Session::Direct) => Some(format!(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
             SET enable_mergejoin = off; SET jit = off; SET lock_timeout = {}",
            LOCK_TIMEOUT.as_millis()
        )),
        // Without named statements each is planned anew, and `Begin` sets the time-outs.
        Target::Postgres(_, Session::Pooled) => None,
    }
}

/// Makes the pool; connections are opened when they are first asked for.
pub(super) fn build(
    target: Target,
    settings: &settings::Database,
    size: u32,
    file: Option<Arc<SqliteFile>>,
    metrics: &metrics::Database,
) -> Pool {
    // Each thread keeps its connection (see `thread_connection`). What the pool holds was handed over, or opened by attempts
    // that nobody waits for any more: it is pinged before it is used, and closed soon if it is not. The request that waits
    // for a connection reports the failure, once and with its id.
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
    Pool { connections, wanted: Arc::default(), file, unwritable: Arc::default(), begin, metrics: metrics.clone() }
}
