//! SQLite's checkpoints, on a thread of their own, which also watches the file.
//!
//! A checkpoint by the committing connection makes the writer's tail: every thousand pages one request pays for
//! all. Here pages are copied back while the writer goes on, and only the last few while it waits its turn, so that
//! it begins its log anew. The log's file keeps its size meanwhile: writing over blocks that exist makes a commit
//! cheaper than adding blocks. When writing pauses, or fails because the disk is full, the log is emptied: what was erased
//! is then in no file, and the disk has room again.
//!
//! SQLite makes the database's file durable when it finds the whole log copied, which with a busy writer is while that
//! one waits: a fifth of a second with a million customers. So the file is made durable here before, round by
//! round, and leaves SQLite little to do. Nothing rests on it: SQLite does its own all the same.
//!
//! Checkpoints go on where the file was deleted or replaced and nobody else reads or writes any more. Thus the log is soon
//! empty, and a restart applies it to no other file.

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

/// How often the log and the file are looked at.
const EVERY: Duration = Duration::from_millis(100);
/// From this many pages on, a growing log is begun anew: 32 MiB (docs/decisions/0002).
const LONG: i32 = 8_000;

/// So few pages are copied, and made durable, in the time of a few commits.
const SHORT: i32 = 256;
/// The most rounds before the writer waits, however many pages it adds.
const ROUNDS: u32 = 6;

/// Opens the file, and starts the thread that checkpoints and watches it. It ends when its queue closes, which nothing is
/// ever put in.
///
/// # Errors
/// The file could not be opened, or the operating system refused a thread.
pub(super) fn start(
    path: &Path,
    settings: &settings::Database,
    write_lock: WriteLock,
    limits: Limits,
) -> std::io::Result<(Arc<SqliteFile>, Workers<()>)> {
    let connection = Mutex::new(connect(path, settings).map_err(std::io::Error::other)?);
    let watched = Arc::new(SqliteFile::opened(path)?);
    let checkpointer = Checkpointer { connection, write_lock, watched: Arc::clone(&watched), file: File::open(path)? };
    let keep = move |queue: &Receiver<Ticket<()>>, _: &_| checkpointer.keep(queue);
    Ok((watched, Workers::start("checkpoint", 1, Places::new(0), limits, Queues::default().queue("checkpoint"), keep)?))
}

/// The thread's own connection: it is open for as long as the service runs, so that the log is not made anew when the others
/// are closed after an error, which a full disk would prevent. It never waits for others: nobody's change may wait for a
/// reader.
fn connect(path: &Path, settings: &settings::Database) -> Result<DbConnection, String> {
    let timeout = Duration::from_secs(settings.statement_timeout_seconds);
    let connection = Target::Sqlite(path.to_owned()).connect(settings.connect_timeout(), timeout);
    let mut connection = connection.map_err(|error| error.to_string())?;
    // The log and its index are made by the first who reads.
    let opened = connection.batch_execute("SELECT COUNT(*) FROM sqlite_master; PRAGMA busy_timeout = 0");
    opened.map_err(|error| error.to_string())?;
    Ok(connection)
}

/// The order of the members is that in which they go: closing any descriptor of the file gives up the locks that this
/// process has on it (sqlite.org/howtocorrupt.html §2.2), so the connection closes first.
struct Checkpointer {
    connection: Mutex<DbConnection>,
    write_lock: WriteLock,
    watched: Arc<SqliteFile>,
    file: File,
}

impl Checkpointer {
    /// Keeps the log short, and tells what becomes of the file, until the queue closes.
    fn keep(&self, queue: &Receiver<Ticket<()>>) {
        let mut connection = self.connection.lock();
        let (mut file, mut log) = (Trouble::default(), Trouble::default());
        let mut before = 0;
        while matches!(queue.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            file.tell(self.watched.check());
            match self.round(&mut connection, before) {
                Err(DbError::Busy) => {}
                outcome => {
                    before = *outcome.as_ref().unwrap_or(&before);
                    log.tell(outcome.map(drop));
                }
            }
        }
    }

    /// One look; the pages in the log.
    fn round(&self, connection: &mut DbConnection, before: i32) -> DbResult<i32> {
        let pages = checkpoint(connection, "PASSIVE")?;
        if pages > 0 && pages == before {
            self.write_lock.hold(|| checkpoint(connection, "TRUNCATE"))?;
            return Ok(0);
        }
        if pages >= LONG {
            self.shorten(connection, pages)?;
        }
        Ok(pages)
    }

    /// Copies what was added meanwhile, in ever smaller rounds, and the last of it while the writer waits.
    fn shorten(&self, connection: &mut DbConnection, mut copied: i32) -> DbResult<()> {
        for _ in 0..ROUNDS {
            self.file.sync_data().map_err(|error| DbError::Unavailable(error.to_string()))?;
            let pages = checkpoint(connection, "PASSIVE")?;
            let added = pages - copied;
            copied = pages;
            if added < SHORT {
                break;
            }
        }
        self.write_lock.hold(|| checkpoint(connection, "PASSIVE")).map(|_| ())
    }
}

/// Runs a checkpoint and returns the pages that were in the log when it began. It gives up at once where a reader or
/// another process's writer is in its way.
fn checkpoint(connection: &mut DbConnection, mode: &str) -> DbResult<i32> {
    let checkpoint = sql::<(Integer, Integer, Integer)>(&format!("PRAGMA wal_checkpoint({mode})"));
    // -1 where there is no log yet.
    let (_is_blocked, pages, _copied): (i32, i32, i32) = checkpoint.get_result(connection)?;
    Ok(pages)
}

/// What is wrong, told when it begins and when it ends.
#[derive(Default)]
struct Trouble(Option<String>);

impl Trouble {
    fn tell(&mut self, outcome: DbResult<()>) {
        let reason = outcome.err().map(|error| error.to_string());
        match &reason {
            Some(reason) if self.0.as_ref() != Some(reason) => log::error!("{reason}"),
            None if self.0.is_some() => log::info!("the database's file is in order again"),
            _ => {}
        }
        self.0 = reason;
    }
}
