//! SQLite's file as the file system has it: whether its path still leads to it, whether it can be written, and whether
//! there is room.
//!
//! SQLite itself notices none of this in time. It goes on writing to a file that was deleted or replaced, and what it wrote
//! is gone after a restart.

use std::fs::Metadata;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::error::{DbError, DbResult};

/// A commit of a full batch writes less than this, in bytes.
const LEAST_ROOM: u64 = 1024 * 1024;

/// The database's file, and the write-ahead log and its index beside it. A connection of ours is open for as long as this
/// is used: it keeps SQLite from replacing the log, and the system from giving the files' numbers to others.
pub(super) struct SqliteFile {
    path: PathBuf,
    parts: Vec<Part>,
}

/// One file, and which one it was when the service opened it.
struct Part {
    path: PathBuf,
    opened: Identity,
}

/// The device and the number of a file on it.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl SqliteFile {
    /// Remembers the files that a connection has just opened.
    ///
    /// # Errors
    /// One of them is missing already.
    pub(super) fn opened(path: &Path) -> std::io::Result<Self> {
        let companions = companions(path)?;
        let parts = std::iter::once(path.to_owned()).chain(companions).map(|path| {
            let describe = |error: Error| Error::new(error.kind(), format!("{}: {error}", path.display()));
            let opened = identity(&path.metadata().map_err(describe)?);
            Ok(Part { path, opened })
        });
        Ok(Self { parts: parts.collect::<std::io::Result<_>>()?, path: path.to_owned() })
    }

    /// Whether every path still leads to the file that is open.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] with what became of it.
    pub(super) fn in_place(&self) -> DbResult<()> {
        for Part { path, opened } in &self.parts {
            match path.metadata() {
                Ok(metadata) if identity(&metadata) == *opened => {}
                Ok(_) => return Err(unavailable(path, "is another file than the one that is open")),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(unavailable(path, "is gone while it is open"));
                }
                Err(error) => return Err(unavailable(path, &error.to_string())),
            }
        }
        Ok(())
    }

    /// Whether changes can be kept.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] where the file is not in its place, else [`DbError::Unwritable`].
    pub(super) fn check(&self) -> DbResult<()> {
        self.in_place()?;
        self.parts.iter().try_for_each(|part| writable(&part.path)).map_err(DbError::Unwritable)?;
        has_room(&self.path).map_err(DbError::Unwritable)
    }
}

fn unavailable(path: &Path, what: &str) -> DbError {
    DbError::Unavailable(format!("{} {what}", path.display()))
}

/// The log and its index stand beside the file itself, not beside a link to it.
fn companions(path: &Path) -> std::io::Result<[PathBuf; 2]> {
    let file = path.canonicalize()?;
    let beside = |end: &str| {
        let mut path = file.clone().into_os_string();
        path.push(end);
        PathBuf::from(path)
    };
    Ok([beside("-wal"), beside("-shm")])
}

/// Whether a database that is there can be written: its file, the folder, which the log is made in, and what stands there
/// of the log. Makes nothing.
///
/// # Errors
/// What cannot be written, and why.
pub(crate) fn check_writable(path: &Path) -> Result<(), String> {
    let describe = |error: Error| format!("{}: {error}", path.display());
    writable(path)?;
    let folder = path.canonicalize().map_err(describe)?;
    folder.parent().map_or(Ok(()), writable)?;
    companions(path).map_err(describe)?.iter().filter(|path| path.exists()).try_for_each(|path| writable(path))
}

fn writable(path: &Path) -> Result<(), String> {
    access(path, Access::WRITE_OK)
        .map_err(|error| format!("{} cannot be written: {}", path.display(), Error::from(error)))
}

fn has_room(path: &Path) -> Result<(), String> {
    let volume = statvfs(path).map_err(|error| format!("{}: {}", path.display(), Error::from(error)))?;
    // Some blocks are kept for root.
    let blocks = if rustix::process::geteuid().is_root() { volume.f_bfree } else { volume.f_bavail };
    // A file system that does not count its blocks tells nothing.
    if volume.f_blocks == 0 || blocks.saturating_mul(volume.f_frsize) >= LEAST_ROOM {
        return Ok(());
    }
    Err(format!("the disk of {} is full", path.display()))
}
