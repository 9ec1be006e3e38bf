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

/// Makes a cluster, says where or why not, and removes it when its standard input ends.
const WATCHER: &str = r#"
exec 2>&1
set -eu
bin=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/clientele-postgres.XXXXXX")
trap 'rm -rf "$dir"' EXIT
[ -z "$2" ] || { mkdir "$dir/locales" && localedef -i "$2" -f UTF-8 "$dir/locales/$2.UTF-8"; }
"$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >"$dir/log" 2>&1 ||
    { tail -n 5 "$dir/log"; exit 1; }
echo "made $dir"
exec >/dev/null 2>&1
cat >/dev/null
"$bin/pg_ctl" -D "$dir/data" -m immediate -w stop || :
"#;

/// No durability against a failing machine; a commit survives the server's own crash.
const OPTIONS: &str = "-h 127.0.0.1 -k '' -c fsync=off -c full_page_writes=off -c autovacuum=off \
                       -c max_connections=500 -c shared_buffers=64MB";

/// A server that tests may make databases on.
pub(crate) struct Cluster {
    /// A database that exists, for `CREATE DATABASE`.
    admin: url::Url,
    own: Option<Own>,
}

/// A cluster of this process's own.
struct Own {
    bin: PathBuf,
    language: Option<&'static str>,
    user: Option<(u32, u32)>,
    folder: PathBuf,
    watcher: Child,
    /// Its end tells the watcher to clean up.
    lifeline: Option<ChildStdin>,
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
                Ok(Self { admin, own: None })
            }
            _ => Self::throwaway(),
        }
    }

    /// A new one.
    ///
    /// # Errors
    /// Why there is none, for the person who runs the tests.
    pub(crate) fn throwaway() -> Result<Self, String> {
        Self::with_programs(newest_server()?)
    }

    /// A new one, made and run by the programs in this folder.
    ///
    /// # Errors
    /// Why there is none, for the person who runs the tests.
    pub(crate) fn with_programs(bin: PathBuf) -> Result<Self, String> {
        Self::speaking(None, bin, "")
    }

    /// A new one whose messages are in a language such as `de_DE`, with further options.
    ///
    /// # Errors
    /// Why there is none, for the person who runs the tests.
    pub(crate) fn speaking(language: Option<&'static str>, bin: PathBuf, more: &str) -> Result<Self, String> {
        let messages = language.map(|language| format!("-c lc_messages={language}.UTF-8")).unwrap_or_default();
        let admin = "postgres://postgres@127.0.0.1/postgres".parse().map_err(|error| format!("{error}"))?;
        let mut cluster = Self { admin, own: Some(Own::make(bin, language)?) };
        let mut reason = String::new();
        // Between choosing a free port and using it, another process may take it.
        for _ in 0..3 {
            let port = free_port().map_err(|error| format!("no free port: {error}"))?;
            match cluster.control(&["start", "-o", &format!("-p {port} {OPTIONS} {messages} {more}")]) {
                Ok(()) => {
                    cluster.admin.set_port(Some(port)).map_err(|()| "the URL takes no port")?;
                    return Ok(cluster);
                }
                Err(said) => reason = said,
            }
        }
        Err(format!("PostgreSQL did not start: {reason}"))
    }

    /// Tells `pg_ctl` to start, stop or restart a server of this process's own.
    ///
    /// # Errors
    /// Why it did not, for the person who runs the tests.
    pub(crate) fn control(&self, arguments: &[&str]) -> Result<(), String> {
        self.own.as_ref().ok_or("this server is somebody else's")?.control(arguments)
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
}

impl Own {
    fn make(bin: PathBuf, language: Option<&'static str>) -> Result<Self, String> {
        let user = server_user()?;
        let mut command = as_user("sh".as_ref(), user);
        command
            .args(["-c", WATCHER, "sh"])
            .arg(&bin)
            .arg(language.unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut watcher = command.spawn().map_err(|error| format!("sh: {error}"))?;
        let mut said = String::new();
        let lifeline = watcher.stdin.take();
        if let Some(mut output) = watcher.stdout.take() {
            output.read_to_string(&mut said).map_err(|error| error.to_string())?;
        }
        match said.trim().strip_prefix("made ") {
            Some(folder) => Ok(Self { bin, language, user, folder: folder.into(), watcher, lifeline }),
            None => Err(format!("PostgreSQL could not be set up: {}", one_line(&said))),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// Runs `pg_ctl`, or says why it did not do as told: what it said, and what the server has logged.
    fn control(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = as_user(self.bin.join("pg_ctl").as_ref(), self.user);
        command.args(["-D", &self.path("data"), "-s", "-w", "-t", "60", "-l", &self.path("server")]).args(arguments);
        if self.language.is_some() {
            command.env("LOCPATH", self.path("locales"));
        }
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("pg_ctl: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.path("server")).unwrap_or_default();
        Err(one_line(&format!(
            "{}{}{log}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The watcher ends by itself; waiting only makes the clean-up complete before the process is.
        let _ = self.watcher.wait();
    }
}

/// In a process group of its own: Ctrl-C ends the tests, and the watcher then ends the server.
fn as_user(program: &std::ffi::OsStr, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0).env("LC_ALL", "C").current_dir("/");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid).env_remove("TMPDIR");
    }
    command
}

fn one_line(said: &str) -> String {
    said.trim().replace('\n', "; ")
}

/// The folder of the newest installed server's programs: Debian keeps them out of PATH.
pub(crate) fn newest_server() -> Result<PathBuf, String> {
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
    newest.ok_or_else(|| "there is no PostgreSQL server here: install postgresql, or set TEST_POSTGRES_URL".into())
}

/// Whom to become: PostgreSQL refuses to run as root. `None` for anyone else.
pub(crate) fn server_user() -> Result<Option<(u32, u32)>, String> {
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
