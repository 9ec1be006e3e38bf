//! A disk that is small enough to fill.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Mounts a disk in memory for the user that PostgreSQL runs as, and takes it away when its standard input ends: when the
/// test ends, even if it is killed.
const KEEPER: &str = r#"
set -eu
mount -t tmpfs -o "size=$2,mode=0700,uid=$3,gid=$4" tmpfs "$1"
trap 'umount -l "$1"' EXIT
echo mounted
cat >/dev/null
"#;

/// A disk of its own. Mounting needs root, or sudo without a password.
pub(crate) struct SmallDisk {
    keeper: Child,
    folder: TempDir,
}

impl SmallDisk {
    /// A disk of some bytes, such as `8m`, that belongs to PostgreSQL.
    pub(crate) fn of(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let user = super::cluster::server_user().expect("a user");
        let (sudo, (uid, gid)) = match user {
            Some(ids) => (None, ids),
            None => (Some("sudo"), (own_id("-u"), own_id("-g"))),
        };
        let mut command = Command::new(sudo.unwrap_or("sh"));
        command.args(sudo.map(|_| ["-n", "sh"]).into_iter().flatten());
        command.args(["-c", KEEPER, "sh"]).arg(folder.path()).args([size, &uid.to_string(), &gid.to_string()]);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("a shell");
        let mut said = String::new();
        let output = keeper.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut said).expect("its word");
        assert_eq!(said, "mounted\n", "a disk is mounted, which takes root");
        Self { keeper, folder }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it.
    pub(crate) fn fill(&self) {
        let mut ballast = std::fs::File::create(self.ballast()).expect("a file");
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    /// Makes the room again that was there.
    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.ballast()).expect("room");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().expect("its end");
    }
}

fn own_id(flag: &str) -> u32 {
    let output = Command::new("id").arg(flag).output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}
