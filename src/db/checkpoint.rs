//! SQLite's checkpoints, on a thread of their own.
//!
//! A checkpoint by the committing connection makes the writer's tail: every thousand pages one request pays for
//! all. Here most pages are copied while the writer goes on, and only the rest while it waits its turn. When writing
//! pauses, the write-ahead log is emptied, so that what was erased is in no file any more.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use diesel::connection::SimpleConnection;

use super::connection::DbConnection;
use super::error::DbResult;
use super::executor::take_turn;
use super::link::Link;

/// How often the log's size is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// From this size on, in bytes, a growing log is copied back: about 4,000 pages.
const LARGE: u64 = 16 * 1024 * 1024;

/// Watches the log of the database at `path` until the channel closes.
pub(super) fn keep(path: &Path, link: &mut Link, turn: &Mutex<()>, closed: &Receiver<()>) {
    let log = log_of(path);
    let mut before = size(&log);
    while matches!(closed.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
        let now = size(&log);
        let outcome = if now >= LARGE {
            link.once(|connection| run(connection, "PASSIVE"))
                .and_then(|()| take_turn(Some(turn), || link.once(|connection| run(connection, "TRUNCATE"))))
        } else if now > 0 && now == before {
            take_turn(Some(turn), || link.once(|connection| run(connection, "TRUNCATE")))
        } else {
            Ok(())
        };
        if let Err(error) = outcome {
            log::warn!("the write-ahead log could not be emptied: {error}");
        }
        before = size(&log);
    }
}

fn run(connection: &mut DbConnection, mode: &str) -> DbResult<()> {
    Ok(connection.batch_execute(&format!("PRAGMA wal_checkpoint({mode})"))?)
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// 0 where there is no log.
fn size(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}
