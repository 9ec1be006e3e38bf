//! A small file system, to be filled: in memory, and seen by nobody but the programs that are run on it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Mounts in a namespace of its own, which needs no privilege but that the system allows such namespaces; stays until its
/// standard input ends.
const KEEPER: &str =
    r#"mount -t tmpfs -o "size=$2" tmpfs "$1" && chmod 700 "$1" && echo mounted && exec cat >/dev/null"#;

/// The file system. It goes when this is dropped, and when this process is killed.
pub(crate) struct Volume {
    keeper: Child,
    folder: TempDir,
}

impl Volume {
    /// One of this many bytes.
    pub(crate) fn of(size: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", KEEPER, "sh"]).arg(folder.path()).arg(size.to_string());
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare, of util-linux");
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().expect("its output")).read_line(&mut said).expect("a line");
        let why = "a small file system could not be mounted: allow user namespaces, or run the tests as root";
        assert_eq!(said, "mounted\n", "{why}");
        Self { keeper, folder }
    }

    /// Where it is, for what is run on it.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where one of its files is for this process.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.path().strip_prefix("/").expect("an absolute path")).join(name)
    }

    /// What a program has to be run through to be on it.
    pub(crate) fn way(&self) -> Vec<String> {
        let process = self.keeper.id().to_string();
        ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", &process, "--"].map(String::from).into()
    }

    /// What a program that is run on it says.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        said(&mut self.command(arguments))
    }

    /// A reader of the database there, who stays until the end of its standard input.
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

    /// Takes all its room; removing the file that this returns gives it back.
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

/// What SQLite's own shell says, which shares nothing with this process.
pub(crate) fn sqlite(file: &Path, sql: &str) -> String {
    let mut command = Command::new("sqlite3");
    said(command.arg(file).arg(sql))
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("sqlite3");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}
