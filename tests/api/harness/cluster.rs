//! A throwaway PostgreSQL cluster from the installed binaries, gone when this process is gone.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Several test threads and the services under test, each with a few connections.
const CONNECTIONS: u32 = 500;
/// How often another port is tried when somebody took the one that was free a moment ago.
const PORTS: u32 = 5;

/// A running cluster; stopped and removed when dropped, and when this process ends in any way.
pub(crate) struct Cluster {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Its end tells the watcher to clean up.
    lifeline: Option<ChildStdin>,
    watcher: Child,
}

impl Cluster {
    /// Makes and starts one.
    pub(crate) fn start() -> Self {
        let binaries = binaries();
        let folder = tempfile::Builder::new().prefix("clientele-pg-").tempdir().expect("a folder").keep();
        let mut watcher = watch(&binaries, &folder);
        let lifeline = watcher.stdin.take();
        let mut cluster = Self { binaries, folder, port: 0, lifeline, watcher };
        cluster.initialise();
        for _ in 0..PORTS {
            cluster.port = free_port();
            if cluster.try_resume() {
                return cluster;
            }
        }
        let log = std::fs::read_to_string(cluster.folder.join("log")).unwrap_or_default();
        unreachable!("PostgreSQL did not start: {log}");
    }

    /// The URL of a database in it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends every connection and stops serving, as a crash would.
    pub(crate) fn crash(&self) {
        assert!(self.control(&["stop", "--mode=immediate"]), "pg_ctl stop");
    }

    /// Serves again, on the same port.
    pub(crate) fn resume(&self) {
        assert!(self.try_resume(), "pg_ctl start");
    }

    fn initialise(&self) {
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&self.folder).status().expect("chown");
            assert!(owned.success(), "chown postgres");
        }
        std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o700)).expect("a mode");
        let output = as_postgres(&self.binaries.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(self.folder.join("data"))
            .output()
            .expect("initdb");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn try_resume(&self) -> bool {
        let options = format!(
            "-c port={} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections={CONNECTIONS} \
             -c fsync=off -c full_page_writes=off -c autovacuum=off -c shared_buffers=64MB",
            self.port
        );
        let log = self.folder.join("log");
        self.control(&["start", "--timeout=120", "--options", &options, "--log", &log.to_string_lossy()])
    }

    fn control(&self, arguments: &[&str]) -> bool {
        let status = as_postgres(&self.binaries.join("pg_ctl"))
            .args(arguments)
            .args(["--silent", "--wait", "--pgdata"])
            .arg(self.folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.expect("pg_ctl").success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        self.watcher.wait().expect("the watcher ends");
    }
}

/// Waits, in a process and a process group of its own, for this process to end, then removes what it left behind.
/// Statics are not dropped, and a killed process drops nothing.
fn watch(binaries: &Path, folder: &Path) -> Child {
    const SCRIPT: &str =
        r#"cat > /dev/null; "$1/pg_ctl" stop --pgdata "$2/data" --mode=immediate --silent; rm -rf "$2""#;
    as_postgres(Path::new("sh"))
        .args(["-c", SCRIPT, "watcher"])
        .args([binaries, folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the watcher starts")
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").env("LC_ALL", "C").process_group(0);
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.trim_ascii() == b"0"
}

/// The newest installed, as Debian places them; else what `pg_config` names.
fn binaries() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions = installed.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let complete = |path: &PathBuf| path.join("initdb").exists();
    let debian = |version: u32| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
    let newest = versions.filter(|version| complete(&debian(*version))).max().map(debian);
    newest.unwrap_or_else(|| {
        let output = Command::new("pg_config").arg("--bindir").output();
        let output = output.expect("PostgreSQL is installed (Debian: apt install postgresql)");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
