//! SQLite's checkpoints, on a thread of their own.
//!
//! A checkpoint by the committing connection makes the writer's tail: every thousand pages one request pays for
//! all. Here pages are copied back while the writer goes on, and only the last few while it waits its turn, so that
//! it begins its log anew. The log's file keeps its size meanwhile: writing over blocks that exist makes a commit
//! cheaper than adding blocks. When writing pauses, the log is emptied, so that what was erased is in no file.
//!
//! SQLite makes the database's file durable when it finds the whole log copied, which with a busy writer is while that
//! one waits: a fifth of a second with a million customers. So the file is made durable here before, round by
//! round, and leaves SQLite little to do. Nothing rests on it: SQLite does its own all the same.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::error::{DbError, DbResult};
use super::pool::Pool;
use super::thread_connection::ThreadConnection;
use super::write_lock::WriteLock;
use crate::metrics::Queues;
use crate::threads::{Limits, Places, Ticket, Workers};

/// How often the log is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// From this many pages on, a growing log is begun anew: 256 MiB.
const LONG: i32 = 64_000;

/// So few pages are copied, and made durable, in the time of a few commits.
const SHORT: i32 = 256;
/// The most rounds before the writer waits, however many pages it adds.
const ROUNDS: u32 = 6;

/// Starts the thread that checkpoints. It ends when its queue closes, which nothing is ever put in.
///
/// # Errors
/// The operating system's, on opening the database's file or on starting a thread.
pub(super) fn start(path: &Path, pool: Pool, write_lock: WriteLock, limits: Limits) -> std::io::Result<Workers<()>> {
    let checkpointer = Checkpointer { pool, write_lock, file: File::open(path)? };
    let uncounted = Queues::default().queue("checkpoint");
    Workers::start("checkpoint", 1, Places::new(0), limits, uncounted, move |queue, _| checkpointer.keep(queue))
}

/// The order of the members is that in which they go: closing any descriptor of the file gives up the locks that this
/// process has on it (sqlite.org/howtocorrupt.html §2.2), so connections close first.
struct Checkpointer {
    pool: Pool,
    write_lock: WriteLock,
    file: File,
}

impl Checkpointer {
    /// Keeps the log short until the queue closes.
    fn keep(&self, queue: &Receiver<Ticket<()>>) {
        let mut connection = ThreadConnection::new(self.pool.clone(), WriteLock::default());
        let mut before = 0;
        while matches!(queue.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            match self.round(&mut connection, before) {
                Ok(pages) => before = pages,
                Err(DbError::Busy) => {}
                Err(error) => log::warn!("the write-ahead log could not be checkpointed: {error}"),
            }
        }
    }

    /// One look; the pages in the log.
    fn round(&self, connection: &mut ThreadConnection, before: i32) -> DbResult<i32> {
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
    fn shorten(&self, connection: &mut ThreadConnection, mut copied: i32) -> DbResult<()> {
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
/// another process's writer is in its way: it holds the write lock, and nobody's change may wait for a reader.
fn checkpoint(connection: &mut ThreadConnection, mode: &str) -> DbResult<i32> {
    connection.once(|connection| {
        connection.batch_execute("PRAGMA busy_timeout = 0")?;
        let checkpoint = sql::<(Integer, Integer, Integer)>(&format!("PRAGMA wal_checkpoint({mode})"));
        // -1 where there is no log yet.
        let (_is_blocked, pages, _copied): (i32, i32, i32) = checkpoint.get_result(connection)?;
        Ok(pages)
    })
}
