//! A thread that checkpoints SQLite's write-ahead log and watches the database file.
//!
//! By default, SQLite checkpoints in the connection that commits, so that one request is slow for every 1,000 pages.
//! This thread copies pages back while the writer continues, and blocks the writer only for the last few, after which
//! the writer restarts the log from its beginning. The log file keeps its size, because overwriting blocks is cheaper
//! than appending them. When writing pauses, or fails because the disk is full, the log is truncated. That removes
//! erased data from the log, and frees the disk space.
//!
//! SQLite syncs the database file when it has copied the whole log. With a busy writer, that happens while the writer
//! is blocked, and takes 200 ms with a million customers. This thread syncs the file beforehand, in rounds, so that
//! little is left to sync. Durability does not depend on it, because SQLite still does its own sync.
//!
//! Checkpoints continue after the file was deleted or replaced, when no request uses it any more. This empties the log,
//! so that a restart does not apply it to another file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use parking_lot::Mutex;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::sqlite_file::SqliteFile;
use super::write_lock::WriteLock;
use crate::metrics::Queues;
use crate::settings::{self, Target};
use crate::threads::{Limits, Places, Ticket, Workers};

/// How often to check the log and the file.
const INTERVAL: Duration = Duration::from_millis(100);
/// The log is restarted when it has this many pages: 32 MiB (docs/decisions/0002).
const RESTART_PAGES: i32 = 8_000;

/// Copying and syncing this many pages takes no longer than a few commits.
const FINAL_PAGES: i32 = 256;
/// The number of rounds after which the writer is blocked, however many pages it adds.
const MAX_ROUNDS: u32 = 6;

/// Opens the file, and starts the thread that checkpoints and watches it. The thread ends when its queue is closed.
/// Nothing is ever sent to that queue.
///
/// # Errors
/// Returns an error if the file cannot be opened or the operating system cannot create a thread.
pub(super) fn start(
    path: &Path,
    settings: &settings::Database,
    write_lock: WriteLock,
    limits: Limits,
) -> std::io::Result<(Arc<SqliteFile>, Workers<()>)> {
    let connection = Mutex::new(connect(path, settings).map_err(std::io::Error::other)?);
    let sqlite_file = Arc::new(SqliteFile::opened(path)?);
    let checkpointer =
        Checkpointer { connection, write_lock, sqlite_file: Arc::clone(&sqlite_file), file: File::open(path)? };
    let run = move |queue: &Receiver<Ticket<()>>, _: &_| checkpointer.run(queue);
    Ok((
        sqlite_file,
        Workers::start("checkpoint", 1, Places::new(0), limits, Queues::default().queue("checkpoint"), run)?,
    ))
}

/// Opens the thread's own connection. It stays open while the service runs: if all connections closed after an error,
/// SQLite would have to create the log again, which fails on a full disk. It never waits for locks, so that no writer
/// waits for a reader.
fn connect(path: &Path, settings: &settings::Database) -> Result<DbConnection, String> {
    let target = Target::Sqlite(path.to_owned());
    let connection = target.connect(settings.connect_timeout(), settings.statement_timeout());
    let mut connection = connection.map_err(|error| error.to_string())?;
    // The first read creates the log and its index.
    let opened = connection.batch_execute("SELECT COUNT(*) FROM sqlite_master; PRAGMA busy_timeout = 0");
    opened.map_err(|error| error.to_string())?;
    Ok(connection)
}

/// The connection must be dropped before the file, so it is the first field: closing any descriptor of the file
/// releases all locks that this process has on it (sqlite.org/howtocorrupt.html §2.2).
struct Checkpointer {
    connection: Mutex<DbConnection>,
    write_lock: WriteLock,
    sqlite_file: Arc<SqliteFile>,
    file: File,
}

impl Checkpointer {
    /// Checkpoints the log and checks the file until the queue is closed.
    fn run(&self, queue: &Receiver<Ticket<()>>) {
        let mut connection = self.connection.lock();
        let (mut file, mut log) = (ProblemLog::default(), ProblemLog::default());
        let mut before = 0;
        while matches!(queue.recv_timeout(INTERVAL), Err(RecvTimeoutError::Timeout)) {
            file.update(self.sqlite_file.check());
            match self.checkpoint_once(&mut connection, before) {
                Err(DbError::Busy) => {}
                outcome => {
                    before = *outcome.as_ref().unwrap_or(&before);
                    log.update(outcome.map(drop));
                }
            }
        }
    }

    /// Checkpoints once, and returns the number of pages in the log.
    fn checkpoint_once(&self, connection: &mut DbConnection, before: i32) -> DbResult<i32> {
        let pages = checkpoint(connection, "PASSIVE")?;
        if pages > 0 && pages == before {
            self.write_lock.hold(|| checkpoint(connection, "TRUNCATE"))?;
            return Ok(0);
        }
        if pages >= RESTART_PAGES {
            self.shorten(connection, pages)?;
        }
        Ok(pages)
    }

    /// Copies the pages that were added meanwhile, in ever smaller rounds, and the last ones while the writer is
    /// blocked.
    fn shorten(&self, connection: &mut DbConnection, mut copied: i32) -> DbResult<()> {
        for _ in 0..MAX_ROUNDS {
            self.file.sync_data().map_err(|error| DbError::Unavailable(error.to_string()))?;
            let pages = checkpoint(connection, "PASSIVE")?;
            let added = pages - copied;
            copied = pages;
            if added < FINAL_PAGES {
                break;
            }
        }
        self.write_lock.hold(|| checkpoint(connection, "PASSIVE")).map(|_| ())
    }
}

/// Runs a checkpoint and returns the number of pages that were in the log. Stops at once if a reader, or a writer of
/// another process, blocks it.
fn checkpoint(connection: &mut DbConnection, mode: &str) -> DbResult<i32> {
    let checkpoint = sql::<(Integer, Integer, Integer)>(&format!("PRAGMA wal_checkpoint({mode})"));
    // The number is -1 if there is no log yet.
    let (_is_blocked, pages, _copied): (i32, i32, i32) = checkpoint.get_result(connection)?;
    Ok(pages)
}

/// Logs a problem when it begins and when it ends.
#[derive(Default)]
struct ProblemLog(Option<String>);

impl ProblemLog {
    fn update(&mut self, outcome: DbResult<()>) {
        let reason = outcome.err().map(|error| error.to_string());
        match &reason {
            Some(reason) if self.0.as_ref() != Some(reason) => log::error!("{reason}"),
            None if self.0.is_some() => log::info!("the database file is usable again"),
            _ => {}
        }
        self.0 = reason;
    }
}
