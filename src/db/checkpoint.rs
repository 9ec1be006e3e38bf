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
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::link::Link;
use super::pool::Pool;
use super::turn::Turn;

/// How often the log is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// From this many pages on, a growing log is begun anew: 256 MiB.
const LONG: i32 = 64_000;

/// So few pages are copied, and made durable, in the time of a few commits.
const SHORT: i32 = 256;
/// The most rounds before the writer waits, however many pages it adds.
const ROUNDS: u32 = 6;

/// What SQLite says of a checkpoint: the pages that were in the log when it began.
#[derive(QueryableByName)]
struct Progress {
    #[diesel(sql_type = Integer)]
    log: i32,
}

/// The thread's hold on one database. The order of the members is that in which they go: closing any descriptor of the
/// file gives up the locks that this process has on it (sqlite.org/howtocorrupt.html §2.2), so connections close first.
#[derive(Clone)]
pub(super) struct Checkpoints {
    pool: Pool,
    turn: Turn,
    file: Arc<File>,
}

impl Checkpoints {
    /// # Errors
    /// The operating system's, on opening the database's file.
    pub(super) fn of(path: &Path, pool: Pool, turn: Turn) -> std::io::Result<Self> {
        Ok(Self { pool, turn, file: Arc::new(File::open(path)?) })
    }

    /// Keeps the log short until the channel closes.
    pub(super) fn keep(&self, closed: &Receiver<()>) {
        let mut link = Link::new(self.pool.clone());
        let mut before = 0;
        while matches!(closed.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            match self.round(&mut link, before) {
                Ok(pages) => before = pages,
                Err(error) => log::warn!("the write-ahead log could not be checkpointed: {error}"),
            }
        }
    }

    /// One look; the pages in the log.
    fn round(&self, link: &mut Link, before: i32) -> DbResult<i32> {
        let progress = link.once(|connection| run(connection, "PASSIVE"))?;
        if progress.log > 0 && progress.log == before {
            self.turn.take(|| link.once(|connection| run(connection, "TRUNCATE")))?;
            return Ok(0);
        }
        if progress.log >= LONG {
            self.shorten(link, progress.log)?;
        }
        Ok(progress.log)
    }

    /// Copies what was added meanwhile, in ever smaller rounds, and the last of it while the writer waits.
    fn shorten(&self, link: &mut Link, mut copied: i32) -> DbResult<()> {
        for _ in 0..ROUNDS {
            self.file.sync_data().map_err(|error| DbError::Unavailable(error.to_string()))?;
            let log = link.once(|connection| run(connection, "PASSIVE"))?.log;
            let added = log - copied;
            copied = log;
            if added < SHORT {
                break;
            }
        }
        self.turn.take(|| link.once(|connection| run(connection, "PASSIVE"))).map(|_| ())
    }
}

fn run(connection: &mut DbConnection, mode: &str) -> DbResult<Progress> {
    let progress = diesel::sql_query(format!("PRAGMA wal_checkpoint({mode})")).load::<Progress>(connection)?.pop();
    // -1 where there is no log yet.
    Ok(progress.unwrap_or(Progress { log: 0 }))
}
