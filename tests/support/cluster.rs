//! A PostgreSQL server for the tests of one process.
//!
//! `TEST_POSTGRES_URL` names a server to use. Without it the newest installed PostgreSQL is started on a free
//! loopback port, in a temporary folder, and both vanish when the process ends, even when it is killed: a watcher
//! reads from a pipe that only this process holds, and cleans up when the pipe closes.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Starts a server, says `ready` or why not, and stops the server when its standard input ends.
const WATCHER: &str = r#"
set -eu
bin=$1 port=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/clientele-postgres.XXXXXX")
trap 'rm -rf "$dir"' EXIT
{
    "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync &&
    "$bin/pg_ctl" -D "$dir/data" -l "$dir/server" -w -t 60 start -o "-p $port -h 127.0.0.1 -k '' \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=400 -c shared_buffers=64MB"
} >"$dir/log" 2>&1 || { tail -n 5 "$dir/log"; [ ! -e "$dir/server" ] || tail -n 5 "$dir/server"; exit 1; }
echo ready
exec >/dev/null
cat >/dev/null
"$bin/pg_ctl" -D "$dir/data" -m immediate -w stop
"#;

/// A server that tests may make databases on.
pub(crate) struct Cluster {
    /// A database that exists, for `CREATE DATABASE`.
    admin: url::Url,
    watcher: Option<(Child, ChildStdin)>,
}

impl Cluster {
    /// The server of `TEST_POSTGRES_URL`, or a new one.
    ///
    /// # Errors
    /// Why there is none, for the person who runs the tests.
    pub(crate) fn start() -> Result<Self, String> {
        match std::env::var("TEST_POSTGRES_URL") {
            Ok(given) if !given.is_empty() => {
                let admin = given.parse().map_err(|error| format!("TEST_POSTGRES_URL: {error}"))?;
                Ok(Self { admin, watcher: None })
            }
            _ => Self::throwaway(),
        }
    }

    /// Where `CREATE DATABASE` and `DROP DATABASE` can be sent.
    pub(crate) fn admin_url(&self) -> &str {
        self.admin.as_str()
    }

    /// The URL of one database of this server.
    pub(crate) fn url(&self, database: &str) -> String {
        let mut url = self.admin.clone();
        url.set_path(database);
        url.into()
    }

    fn throwaway() -> Result<Self, String> {
        let bin = newest_server()?;
        let user = server_user()?;
        let mut refusal = String::new();
        // Between choosing a free port and using it, another process may take it.
        for _ in 0..3 {
            let port = free_port().map_err(|error| format!("no free port: {error}"))?;
            match watched_server(&bin, user, port) {
                Ok(watcher) => {
                    let admin = format!("postgres://postgres@127.0.0.1:{port}/postgres");
                    let admin = admin.parse().map_err(|error| format!("{admin}: {error}"))?;
                    return Ok(Self { admin, watcher: Some(watcher) });
                }
                Err(error) => refusal = error,
            }
        }
        Err(format!("PostgreSQL did not start: {refusal}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((mut watcher, input)) = self.watcher.take() {
            drop(input);
            // The watcher ends by itself; waiting only makes the clean-up complete before the process is.
            let _ = watcher.wait();
        }
    }
}

fn watched_server(bin: &str, user: Option<(u32, u32)>, port: u16) -> Result<(Child, ChildStdin), String> {
    let mut command = Command::new("sh");
    command.args(["-c", WATCHER, "sh", bin, &port.to_string()]).env("LC_ALL", "C").current_dir("/");
    // A group of its own: Ctrl-C ends the tests, and the watcher then ends the server.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid).env_remove("TMPDIR");
    }
    let mut watcher = command.spawn().map_err(|error| format!("sh: {error}"))?;
    let (Some(input), Some(mut output)) = (watcher.stdin.take(), watcher.stdout.take()) else {
        return Err("the watcher has no pipes".into());
    };
    let mut said = String::new();
    output.read_to_string(&mut said).map_err(|error| error.to_string())?;
    if said.trim() == "ready" {
        return Ok((watcher, input));
    }
    let _ = watcher.wait();
    Err(said.trim().replace('\n', "; "))
}

/// The folder of the newest installed server's programs: Debian keeps them out of PATH.
fn newest_server() -> Result<String, String> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, bin)| bin).or_else(|| {
        let bin = PathBuf::from(said_by(Command::new("pg_config").arg("--bindir"))?);
        bin.join("initdb").exists().then_some(bin)
    });
    newest
        .and_then(|bin| bin.to_str().map(str::to_owned))
        .ok_or_else(|| "there is no PostgreSQL server here: install postgresql, or set TEST_POSTGRES_URL".into())
}

/// Whom to become: PostgreSQL refuses to run as root. `None` for anyone else.
fn server_user() -> Result<Option<(u32, u32)>, String> {
    let id = |arguments: &[&str]| said_by(Command::new("id").args(arguments)).and_then(|id| id.parse::<u32>().ok());
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)))
        .map(Some)
        .ok_or_else(|| "PostgreSQL does not run as root, and there is no user postgres or nobody".into())
}

fn said_by(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
