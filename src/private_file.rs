//! Files with secrets or personal data. Only their owner can read them, and they are never visible half written.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file with mode 0600 that is written under a temporary name and renamed when it is complete. Until then, an
/// existing file does not change. Dropping an unfinished file removes it.
pub(crate) struct PrivateFile {
    path: PathBuf,
    output: Output,
}

enum Output {
    /// A temporary file in the same folder.
    Temporary(BufWriter<NamedTempFile>),
    /// A pipe or a device, such as `/dev/stdout`, which cannot be replaced.
    Device(BufWriter<File>),
}

impl PrivateFile {
    /// Begins a file that will replace the one at `path`, if it exists.
    ///
    /// # Errors
    /// The folder or the device cannot be written.
    pub(crate) fn replacing(path: &Path) -> Result<Self> {
        let begin = || {
            if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
                let device = OpenOptions::new().write(true).open(path)?;
                return Ok((path.to_owned(), Output::Device(BufWriter::new(device))));
            }
            // Replaces the file that a symbolic link points to, and keeps the link.
            let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let file = temporary(&target)?;
            Ok((target, Output::Temporary(BufWriter::new(file))))
        };
        begin().map(|(path, output)| Self { path, output }).map_err(|error| at(path, &error))
    }

    /// Writes buffered data and renames the file to its path.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { path, output } = self;
        let finish = || match output {
            Output::Device(mut device) => device.flush(),
            Output::Temporary(file) => {
                let file = file.into_inner().map_err(|error| error.into_error())?;
                file.as_file().sync_all()?;
                file.persist(&path).map(drop).map_err(|error| error.error)
            }
        };
        finish().map_err(|error| at(&path, &error))
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = match &mut self.output {
            Output::Temporary(file) => file.write(bytes),
            Output::Device(device) => device.write(bytes),
        };
        written.map_err(|error| at(&self.path, &error))
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.output {
            Output::Temporary(file) => file.flush(),
            Output::Device(device) => device.flush(),
        }
    }
}

/// Creates a file with mode 0600 and these contents.
///
/// # Errors
/// [`AlreadyExists`](std::io::ErrorKind::AlreadyExists) if there is a file already, even if another process creates it
/// at the same time. Other errors of the operating system.
pub(crate) fn make(path: &Path, contents: &[u8]) -> Result<()> {
    make_with(path, false, |draft| std::fs::write(draft, contents).map_err(|error| at(path, &error)))
}

/// Creates a file by `write`, which fills an empty temporary file at the path that it gets. The file takes its place
/// when it is complete. It replaces another file only if `replace` is set.
///
/// # Errors
/// Those of `write` and of the operating system; [`AlreadyExists`](std::io::ErrorKind::AlreadyExists) if there is a
/// file that must not be replaced, or something that is not a file.
pub(crate) fn make_with<E: From<Error>>(
    path: &Path,
    replace: bool,
    write: impl FnOnce(&Path) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let at = |error: Error| at(path, &error);
    let obstacle = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Some("this is a directory"),
        Ok(metadata) if !metadata.is_file() => Some("this is not a file"),
        // Also a link to nothing.
        _ if !replace && path.symlink_metadata().is_ok() => Some("there is a file already"),
        _ => None,
    };
    if let Some(obstacle) = obstacle {
        return Err(at(Error::new(ErrorKind::AlreadyExists, obstacle)).into());
    }
    // Keep a link, and replace the file behind it.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = temporary(&place).map_err(at)?;
    write(file.path())?;
    file.as_file().sync_all().map_err(at)?;
    let persisted = if replace { file.persist(&place) } else { file.persist_noclobber(&place) };
    Ok(persisted.map(drop).map_err(|error| at(error.error))?)
}

/// Creates a temporary file with mode 0600 in the folder of `path`.
fn temporary(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".clientele-").tempfile_in(folder)
}

fn at(path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("the file").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_others_could_read_is_replaced_by_one_that_they_cannot() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("export");
        fs::write(&path, "old").expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode");
        let mut file = PrivateFile::replacing(&path).expect("a draft");
        file.write_all(b"new").expect("room");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "old");
        file.finish().expect("its place");
        assert_eq!((fs::read_to_string(&path).expect("the file").as_str(), mode(&path)), ("new", 0o600));
    }

    #[test]
    fn what_is_not_finished_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("export");
        fs::write(&path, "old").expect("a file");
        let mut file = PrivateFile::replacing(&path).expect("a draft");
        file.write_all(b"new").expect("room");
        drop(file);
        assert_eq!(fs::read_to_string(&path).expect("the file"), "old");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, output) = (folder.path().join("link"), folder.path().join("output"));
        fs::write(&output, "old").expect("a file");
        std::os::unix::fs::symlink(&output, &link).expect("a link");
        let mut file = PrivateFile::replacing(&link).expect("a draft");
        file.write_all(b"new").expect("room");
        file.finish().expect("its place");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!((fs::read_to_string(&output).expect("the file").as_str(), mode(&output)), ("new", 0o600));
        PrivateFile::replacing(Path::new("/dev/null")).and_then(PrivateFile::finish).expect("a device");
        assert!(!fs::metadata("/dev/null").expect("the device").is_file());
    }

    #[test]
    fn a_new_file_never_replaces_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        make(&path, b"first").expect("a new file");
        let again = make(&path, b"second").expect_err("there is one");
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read_to_string(&path).expect("the file").as_str(), mode(&path)), ("first", 0o600));
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
