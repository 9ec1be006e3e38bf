//! The signing secret: configured, or made once and kept in a file that only its owner can read.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::db::create_private_folder;
use crate::private_file;
use crate::settings::{self, trimmed};

/// The fewest bytes of a secret: the output size of the hash (RFC 7518 §3.2).
const SHORTEST: usize = 32;

/// Whether [`load`] would make the secret.
pub(crate) fn is_to_be_made(auth: &settings::Auth) -> bool {
    let named = !auth.secret_file.as_os_str().is_empty();
    auth.secret.is_empty() && named && auth.generate_secret && !auth.secret_file.exists()
}

/// The secret that the settings name; makes the file when it is missing and may be made.
///
/// # Errors
/// One line: no secret is configured, it is too short, or the file cannot be read, is open to others or cannot
/// be made.
pub(crate) fn load(auth: &settings::Auth) -> Result<Vec<u8>, String> {
    if !auth.secret.is_empty() {
        return long_enough(auth.secret.expose().as_bytes().to_vec(), "auth.secret");
    }
    if auth.secret_file.as_os_str().is_empty() {
        return Err("no signing secret: set CLIENTELE__AUTH__SECRET or auth.secret_file".into());
    }
    let place = format!("auth.secret_file {}", auth.secret_file.display());
    match std::fs::read(&auth.secret_file) {
        Ok(bytes) => {
            let mode = std::fs::metadata(&auth.secret_file).map_or(0, |metadata| metadata.permissions().mode());
            if mode & 0o007 != 0 {
                return Err(format!("{place}: anybody can read it; run chmod o-rwx on it"));
            }
            long_enough(trimmed(&bytes).to_vec(), &place)
        }
        Err(error) if error.kind() == ErrorKind::NotFound && auth.generate_secret => {
            make(&auth.secret_file).map_err(|error| format!("auth.secret_file {error}"))
        }
        Err(error) => Err(format!("{place}: {error}")),
    }
}

fn long_enough(secret: Vec<u8>, place: &str) -> Result<Vec<u8>, String> {
    match secret.len() {
        SHORTEST.. => Ok(secret),
        length => Err(format!("{place} has {length} bytes; at least {SHORTEST} are needed")),
    }
}

/// Two processes that start together end up with the same secret: the first file that is complete stays.
fn make(path: &Path) -> std::io::Result<Vec<u8>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        create_private_folder(folder)?;
    }
    let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    match private_file::make(path, format!("{secret}\n").as_bytes()) {
        Ok(()) => {
            log::info!("made a signing secret in {}", path.display());
            Ok(secret.into_bytes())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(trimmed(&std::fs::read(path)?).to_vec()),
        Err(error) => Err(error),
    }
}
