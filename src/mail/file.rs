//! Mails as files, so that everything can be tried without a mail server: `<customer>-<row>.eml`, with 0 for no
//! customer.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

use super::send_error::SendError;
use crate::db::create_private_folder;
use crate::ids::{CustomerId, EntryId};
use crate::private_file::PrivateFile;

/// Writes a mail. A mail that is sent again replaces its file.
pub(super) fn write(
    folder: &Path,
    customer: Option<CustomerId>,
    id: EntryId,
    message: &[u8],
) -> std::result::Result<(), SendError> {
    let write = || {
        if !folder.exists() {
            create_private_folder(folder)?;
        }
        let mut file =
            PrivateFile::replacing(&folder.join(format!("{}-{id}.eml", customer.map_or(0, CustomerId::get))))?;
        file.write_all(message)?;
        file.finish()
    };
    write().map_err(|error| SendError::Unreachable(format!("mail.folder: {}", error.kind())))
}

/// Returns the files of each customer.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn by_customer(folder: &Path) -> Result<BTreeMap<i64, Vec<PathBuf>>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let mut files: BTreeMap<i64, Vec<PathBuf>> = BTreeMap::new();
    for entry in entries {
        let name = entry?.file_name();
        let parts = name.to_str().and_then(|name| name.strip_suffix(".eml")?.split_once('-'));
        if let Some(customer) = parts.and_then(|(customer, _)| CustomerId::parse(customer)) {
            files.entry(customer.get()).or_default().push(folder.join(&name));
        }
    }
    Ok(files)
}

/// Removes the mails about a customer who was erased.
///
/// # Errors
/// The folder cannot be read, or a file not be removed.
pub(crate) fn remove_of(folder: &Path, customer: CustomerId) -> Result<()> {
    by_customer(folder)?.remove(&customer.get()).into_iter().flatten().try_for_each(remove)
}

/// Removes the mails about a customer who was erased, without blocking the event loop. A failure is logged: the
/// delivery's upkeep tries again.
pub(crate) async fn forget(folder: Option<PathBuf>, customer: CustomerId) {
    let Some(folder) = folder else { return };
    let removed = actix_web::web::block(move || remove_of(&folder, customer)).await;
    if let Err(error) = removed.map_err(std::io::Error::other).and_then(|removed| removed) {
        log::warn!("mails about an erased customer could not be removed: {error}");
    }
}

/// Removes a file that may be gone already.
///
/// # Errors
/// The operating system's.
pub(crate) fn remove(file: PathBuf) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
