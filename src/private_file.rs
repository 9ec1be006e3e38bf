//! Files that hold secrets or personal data: only their owner can read them, and none is ever half written.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that is written beside its place, with mode 0600, and takes it when it is complete. What stood there stays as it
/// is until then; what is dropped unfinished leaves nothing behind.
pub(crate) struct PrivateFile {
    place: PathBuf,
    output: Output,
}

enum Output {
    Beside(BufWriter<NamedTempFile>),
    /// A pipe or a device, such as `/dev/stdout`, that nothing can take the place of.
    Itself(BufWriter<File>),
}

impl PrivateFile {
    /// Begins a file that will stand at `path`, in place of one that is there.
    ///
    /// # Errors
    /// The folder or the device cannot be written.
    pub(crate) fn replacing(path: &Path) -> Result<Self> {
        let begin = || {
            if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
                let device = OpenOptions::new().write(true).open(path)?;
                return Ok((path.to_owned(), Output::Itself(BufWriter::new(device))));
            }
            // A link stays a link.
            let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let file = draft(&place)?;
            Ok((place, Output::Beside(BufWriter::new(file))))
        };
        begin().map(|(place, output)| Self { place, output }).map_err(|error| at(path, &error))
    }

    /// Writes what is left and puts the file in its place.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { place, output } = self;
        let finish = || match output {
            Output::Itself(mut device) => device.flush(),
            Output::Beside(file) => {
                let file = file.into_inner().map_err(|error| error.into_error())?;
                file.as_file().sync_all()?;
                file.persist(&place).map(drop).map_err(|error| error.error)
            }
        };
        finish().map_err(|error| at(&place, &error))
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = match &mut self.output {
            Output::Beside(file) => file.write(bytes),
            Output::Itself(device) => device.write(bytes),
        };
        written.map_err(|error| at(&self.place, &error))
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.output {
            Output::Beside(file) => file.flush(),
            Output::Itself(device) => device.flush(),
        }
    }
}

/// Makes a file that nobody has made yet: of two that try at once, the first wins and the other gets
/// [`AlreadyExists`](std::io::ErrorKind::AlreadyExists).
///
/// # Errors
/// The operating system's.
pub(crate) fn make(path: &Path, contents: &[u8]) -> Result<()> {
    make_with(path, false, |draft| std::fs::write(draft, contents).map_err(|error| at(path, &error)))
}

/// Makes a file by `write`, which fills an empty one at the path that it is given. It takes its place when it is complete,
/// and the place of another file only where that is to be replaced.
///
/// # Errors
/// What `write` says, and the operating system's: [`AlreadyExists`](std::io::ErrorKind::AlreadyExists) where there is a file
/// that is not to be replaced, and something that is no file in any case.
pub(crate) fn make_with<E: From<Error>>(
    path: &Path,
    replace: bool,
    write: impl FnOnce(&Path) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let at = |error: Error| at(path, &error);
    match path.symlink_metadata() {
        Ok(_) if !replace => return Err(at(ErrorKind::AlreadyExists.into()).into()),
        Ok(_) if path.metadata().is_ok_and(|metadata| !metadata.is_file()) => {
            return Err(at(Error::new(ErrorKind::AlreadyExists, "this is not a file")).into());
        }
        _ => {}
    }
    // A link stays a link.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = draft(&place).map_err(at)?;
    write(file.path())?;
    file.as_file().sync_all().map_err(at)?;
    let persisted = if replace { file.persist(&place) } else { file.persist_noclobber(&place) };
    Ok(persisted.map(drop).map_err(|error| at(error.error))?)
}

/// A new file in the folder of another, with mode 0600.
fn draft(place: &Path) -> Result<NamedTempFile> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
