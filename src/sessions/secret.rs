//! The signing secret: configured, or made once and kept in a file that only its owner can read.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::db::create_private_folder;
use crate::settings;

/// The fewest bytes of a secret: the output size of the hash (RFC 7518 §3.2).
const SHORTEST: usize = 32;

/// The secret that the settings name; makes the file when it is missing and may be made.
///
/// # Errors
/// One line: no secret is configured, it is too short, or the file cannot be read, is open to others or cannot
/// be made.
pub fn load(auth: &settings::Auth) -> Result<Vec<u8>, String> {
    let configured = auth.secret.expose();
    if !configured.is_empty() {
        return long_enough(configured.as_bytes().to_vec(), "auth.secret");
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
            long_enough(bytes.trim_ascii_end().to_vec(), &place)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && auth.generate_secret => {
            make(&auth.secret_file).map_err(|error| format!("{place}: {error}"))
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

/// Two processes that start together end up with the same secret: the file is written under a name of its own and
/// linked into place, and the first link wins.
fn make(path: &Path) -> std::io::Result<Vec<u8>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        create_private_folder(folder)?;
    }
    let secret = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    let draft = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Ok(()) => {
            log::info!("made a signing secret in {}", path.display());
            Ok(secret.into_bytes())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(std::fs::read(path)?.trim_ascii_end().to_vec())
        }
        Err(error) => Err(error),
    }
}
