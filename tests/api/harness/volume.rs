//! A small file system in memory, for tests of a full disk.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Mounts the file system, and unmounts it when its standard input ends: when the test ends, even if it is killed.
const KEEPER: &str = r#"
set -eu
mount -t tmpfs -o "size=$2,mode=0700,uid=$3,gid=$4" tmpfs "$1"
trap 'umount -l "$1"' EXIT
echo mounted
cat >/dev/null
"#;

/// The file system. Dropping it unmounts it.
pub(crate) struct Volume {
    keeper: Child,
    folder: TempDir,
    /// Whether only programs in the keeper's namespace see it.
    is_private: bool,
}

impl Volume {
    /// Mounts a file system of `size` bytes in its own namespace, so that only programs that run in it see it. Needs
    /// root, or a system that allows user namespaces.
    pub(crate) fn of(size: u64) -> Self {
        Self::mount(&["unshare", "--map-root-user", "--mount", "sh"], size, (0, 0), true)
    }

    /// Mounts a file system of `size` bytes that every process sees and that the user of PostgreSQL's server owns.
    /// Needs root, or sudo without a password.
    pub(crate) fn for_postgres(size: u64) -> Self {
        match super::cluster::server_user().expect("a user") {
            Some(owner) => Self::mount(&["sh"], size, owner, false),
            None => Self::mount(&["sudo", "-n", "sh"], size, (own_id("-u"), own_id("-g")), false),
        }
    }

    fn mount(shell: &[&str], size: u64, (user, group): (u32, u32), is_private: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", KEEPER, "sh"]).arg(folder.path());
        command.args([size.to_string(), user.to_string(), group.to_string()]);
        // In its own process group, so that an interrupt from the terminal does not end it before it unmounts.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("a shell");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let hint = "a small file system could not be mounted: run the tests as root, or allow user namespaces and sudo";
        assert_eq!(line, "mounted\n", "{hint}");
        Self { keeper, folder, is_private }
    }

    /// Returns its path, for programs that see it.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of one of its files, for this process.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        if !self.is_private {
            return self.path().join(name);
        }
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.path().strip_prefix("/").expect("an absolute path")).join(name)
    }

    /// Returns the command that runs a program in the namespace of a private volume.
    pub(crate) fn way(&self) -> Vec<String> {
        let process = self.keeper.id().to_string();
        ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", &process, "--"].map(String::from).into()
    }

    /// Runs a program in the namespace, and returns its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        output_of(&mut self.command(arguments))
    }

    /// Starts a process that reads the database in an open transaction until its standard input ends.
    pub(crate) fn reader(&self, file: &str) -> Child {
        let file = self.path().join(file).display().to_string();
        let mut reader =
            self.command(&["sqlite3", &file]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sqlite3");
        let statements = b"BEGIN; SELECT COUNT(*) FROM customers;\n";
        reader.stdin.as_mut().expect("its input").write_all(statements).expect("its statements");
        let mut said = String::new();
        BufReader::new(reader.stdout.take().expect("its output")).read_line(&mut said).expect("a line");
        assert!(said.trim().parse::<u32>().is_ok(), "{said}");
        reader
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let way = self.way();
        let mut command = Command::new(&way[0]);
        command.args(&way[1..]).args(arguments);
        command
    }

    /// Fills it. Removing the returned file makes room again.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.file("filler");
        let mut filler = File::options().create(true).append(true).open(&path).expect("a file");
        for size in [64 * 1024, 1024, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Returns the output of SQLite's own shell, which shares nothing with this process.
pub(crate) fn sqlite(file: &Path, sql: &str) -> String {
    let mut command = Command::new("sqlite3");
    output_of(command.arg(file).arg(sql))
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().expect("the program");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

fn own_id(flag: &str) -> u32 {
    output_of(Command::new("id").arg(flag)).parse().expect("a number")
}
