//! SQLite's checkpoints, on a thread of their own.
//!
//! A checkpoint by the committing connection makes the writer's tail: every thousand pages one request pays for
//! all. Here pages are copied back while the writer goes on, and only the last few while it waits its turn, so that
//! it begins its log anew. The log's file keeps its size meanwhile: writing over blocks that exist makes a commit
//! cheaper than adding blocks. When writing pauses, the log is emptied, so that what was erased is in no file.

use std::fs::File;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::link::Link;
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

/// Keeps the log short until the channel closes. `database` is the database's file.
pub(super) fn keep(link: &mut Link, turn: &Turn, database: &File, closed: &Receiver<()>) {
    let mut before = 0;
    while matches!(closed.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
        match round(link, turn, database, before) {
            Ok(pages) => before = pages,
            Err(error) => log::warn!("the write-ahead log could not be checkpointed: {error}"),
        }
    }
}

/// One look; the pages in the log.
fn round(link: &mut Link, turn: &Turn, database: &File, before: i32) -> DbResult<i32> {
    let progress = link.once(|connection| run(connection, "PASSIVE"))?;
    if progress.log > 0 && progress.log == before {
        turn.take(|| link.once(|connection| run(connection, "TRUNCATE")))?;
        return Ok(0);
    }
    if progress.log >= LONG {
        shorten(link, turn, database, progress.log)?;
    }
    Ok(progress.log)
}

/// Copies what was added meanwhile, in ever smaller rounds, and the last of it while the writer waits.
fn shorten(link: &mut Link, turn: &Turn, database: &File, mut copied: i32) -> DbResult<()> {
    for _ in 0..ROUNDS {
        database.sync_data().map_err(|error| DbError::Unavailable(error.to_string()))?;
        let log = link.once(|connection| run(connection, "PASSIVE"))?.log;
        let added = log - copied;
        copied = log;
        if added < SHORT {
            break;
        }
    }
    turn.take(|| link.once(|connection| run(connection, "PASSIVE"))).map(|_| ())
}

fn run(connection: &mut DbConnection, mode: &str) -> DbResult<Progress> {
    let progress = diesel::sql_query(format!("PRAGMA wal_checkpoint({mode})")).load::<Progress>(connection)?.pop();
    // -1 where there is no log yet.
    Ok(progress.unwrap_or(Progress { log: 0 }))
}
