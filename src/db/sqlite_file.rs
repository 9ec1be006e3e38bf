//! Checks of SQLite's files: whether they are still at their paths, whether they can be written, and whether the disk
//! has room.
//!
//! SQLite does not notice these problems in time. It keeps writing to a file that was deleted or replaced, and those
//! changes are lost at a restart.

use std::fs::Metadata;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::error::{DbError, DbResult};

/// The free space that is required, in bytes. A commit of a full batch writes less.
const MIN_FREE_BYTES: u64 = 1024 * 1024;

/// The database file, its write-ahead log and the log's index. A connection must stay open while this is in use. It
/// keeps SQLite from replacing the log, and the system from reusing the inode numbers.
pub(super) struct SqliteFile {
    path: PathBuf,
    parts: Vec<Part>,
}

/// A file, and its identity when the service opened it.
struct Part {
    path: PathBuf,
    opened: Identity,
}

/// The device and inode numbers of a file.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

impl SqliteFile {
    /// Records the identities of the files that a connection has just opened.
    ///
    /// # Errors
    /// Returns an error if one of them is already missing.
    pub(super) fn opened(path: &Path) -> std::io::Result<Self> {
        let companions = companions(path)?;
        let parts = std::iter::once(path.to_owned()).chain(companions).map(|path| {
            let describe = |error: Error| Error::new(error.kind(), format!("{}: {error}", path.display()));
            let opened = identity(&path.metadata().map_err(describe)?);
            Ok(Part { path, opened })
        });
        Ok(Self { parts: parts.collect::<std::io::Result<_>>()?, path: path.to_owned() })
    }

    /// Checks that every path still refers to the open file.
    ///
    /// # Errors
    /// Returns [`DbError::Unavailable`] with the reason.
    pub(super) fn check_in_place(&self) -> DbResult<()> {
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

    /// Checks that changes can be stored.
    ///
    /// # Errors
    /// Returns [`DbError::Unavailable`] if a file was moved or replaced, and [`DbError::Unwritable`] otherwise.
    pub(super) fn check(&self) -> DbResult<()> {
        self.check_in_place()?;
        self.parts.iter().try_for_each(|part| writable(&part.path)).map_err(DbError::Unwritable)?;
        has_room(&self.path).map_err(DbError::Unwritable)
    }
}

fn unavailable(path: &Path, what: &str) -> DbError {
    DbError::Unavailable(format!("{} {what}", path.display()))
}

/// Returns the paths of the log and its index. They are beside the file itself, even if `path` is a link to it.
fn companions(path: &Path) -> std::io::Result<[PathBuf; 2]> {
    let file = path.canonicalize()?;
    let beside = |end: &str| {
        let mut path = file.clone().into_os_string();
        path.push(end);
        PathBuf::from(path)
    };
    Ok([beside("-wal"), beside("-shm")])
}

/// Checks that an existing database can be written: its file, its folder, in which SQLite creates the log, and the
/// log's files if they exist. Creates nothing.
///
/// # Errors
/// Returns the path that cannot be written, and the reason.
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
    let disk = statvfs(path).map_err(|error| format!("{}: {}", path.display(), Error::from(error)))?;
    // Some blocks are reserved for root.
    let blocks = if rustix::process::geteuid().is_root() { disk.f_bfree } else { disk.f_bavail };
    // Some file systems do not report their size.
    if disk.f_blocks == 0 || blocks.saturating_mul(disk.f_frsize) >= MIN_FREE_BYTES {
        return Ok(());
    }
    Err(format!("the disk of {} is full", path.display()))
}
