//! The signing secret: configured, or generated once and kept in a file that only its owner can read.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::db::create_private_folder;
use crate::private_file;
use crate::settings::{self, trimmed};

/// The least number of bytes: the output size of the hash (RFC 7518 §3.2).
const SHORTEST: usize = 32;

/// Returns whether [`load`] would generate the secret.
pub(crate) fn would_generate(auth: &settings::Auth) -> bool {
    let named = !auth.secret_file.as_os_str().is_empty();
    auth.secret.is_empty() && named && auth.generate_secret && !auth.secret_file.exists()
}

/// Returns the configured secret. Generates it if the file is missing and `auth.generate_secret` is set.
///
/// # Errors
/// One line: no secret is configured, the secret is too short, or its file cannot be read, is readable by everyone or
/// cannot be created.
pub(crate) fn load(auth: &settings::Auth) -> Result<Vec<u8>, String> {
    if !auth.secret.is_empty() {
        return long_enough(auth.secret.expose().as_bytes().to_vec(), "auth.secret");
    }
    if auth.secret_file.as_os_str().is_empty() {
        return Err("no signing secret: set CLIENTELE__AUTH__SECRET or auth.secret_file".into());
    }
    let source = format!("auth.secret_file {}", auth.secret_file.display());
    match std::fs::read(&auth.secret_file) {
        Ok(bytes) => {
            let mode = std::fs::metadata(&auth.secret_file).map_or(0, |metadata| metadata.permissions().mode());
            if mode & 0o007 != 0 {
                return Err(format!("{source}: everyone can read it; run chmod o-rwx on it"));
            }
            long_enough(trimmed(&bytes).to_vec(), &source)
        }
        Err(error) if error.kind() == ErrorKind::NotFound && auth.generate_secret => {
            make(&auth.secret_file).map_err(|error| format!("auth.secret_file {error}"))
        }
        Err(error) => Err(format!("{source}: {error}")),
    }
}

fn long_enough(secret: Vec<u8>, source: &str) -> Result<Vec<u8>, String> {
    match secret.len() {
        SHORTEST.. => Ok(secret),
        length => Err(format!("{source} has {length} bytes; at least {SHORTEST} are required")),
    }
}

/// Generates a secret and stores it. Of two processes that start at the same time, one creates the file and the other
/// uses that secret too.
fn make(path: &Path) -> std::io::Result<Vec<u8>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        create_private_folder(folder)?;
    }
    let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    match private_file::make(path, format!("{secret}\n").as_bytes()) {
        Ok(()) => {
            log::info!("generated a signing secret in {}", path.display());
            Ok(secret.into_bytes())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(trimmed(&std::fs::read(path)?).to_vec()),
        Err(error) => Err(error),
    }
}
