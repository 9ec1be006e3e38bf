//! The real binary: its commands, its signals, its sudden death.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::app::variables;
use super::http::TIMEOUT;
use super::volume::Volume;

/// The binary in a folder of its own, with an environment that holds nothing else.
pub(crate) struct Binary {
    folder: TempDir,
    variables: Vec<(String, OsString)>,
    program: Vec<String>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Binary {
    /// Without any configuration.
    pub(crate) fn bare() -> Self {
        let program = vec![env!("CARGO_BIN_EXE_clientele").to_owned()];
        Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new(), program }
    }

    /// With a database, the tests' secret and a free port.
    pub(crate) fn on(database_url: &str) -> Self {
        let variables = variables(database_url, &[]).into_iter().map(|(name, value)| (name, value.into()));
        Self { variables: variables.collect(), ..Self::bare() }
    }

    /// With a variable.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.with_bytes(name, value.as_ref())
    }

    /// With a variable that may be no text.
    pub(crate) fn with_bytes(mut self, name: &str, value: &OsStr) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.into(), value.into()));
        self
    }

    /// On a small file system.
    pub(crate) fn inside(mut self, volume: &Volume) -> Self {
        self.program.splice(0..0, volume.way());
        self
    }

    /// As a user whom the modes of files bind, and who may use the folder that it runs in: `nobody`, where the tests
    /// run as root.
    pub(crate) fn unprivileged(mut self) -> Self {
        if self.folder().metadata().expect("the folder").uid() != 0 {
            return self;
        }
        // The build may be where nobody else can look.
        let copy = self.folder().join("clientele");
        std::fs::copy(env!("CARGO_BIN_EXE_clientele"), &copy).expect("a copy of the binary");
        std::fs::set_permissions(self.folder(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
        let way = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"].map(String::from);
        self.program = way.into_iter().chain([copy.display().to_string()]).collect();
        self
    }

    /// So that a write beyond a limit on the size of files is an error, and no deadly signal.
    pub(crate) fn with_size_limits(mut self) -> Self {
        self.program.splice(0..0, ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""].map(String::from));
        self
    }

    /// The folder that it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Finished::from(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs a command to its end, with a text on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Finished {
        let mut child = self.start(arguments);
        let (mut stdin, input) = (child.stdin.take().expect("standard input"), input.to_owned());
        // A command that failed reads no further; how it ended is what counts.
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let finished = Finished::from(child.wait_with_output().expect("its end"));
        writer.join().expect("the input's writer");
        finished
    }

    /// Starts a command whose standard input, output and error are pipes.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Starts serving and waits until it listens.
    pub(crate) fn serve(&self) -> Serving {
        let mut serving = self.serve_unread();
        serving.read_log();
        serving
    }

    /// Starts serving and waits until it listens; nobody reads its log from then on.
    pub(crate) fn serve_unread(&self) -> Serving {
        Serving::start(self.command(&["serve"]))
    }

    /// Starts serving on an address, with a log that goes into a file, and waits until it listens.
    pub(crate) fn serve_into(&self, log: File, address: SocketAddr) -> Serving {
        let mut command = self.command(&["serve"]);
        command.env("CLIENTELE__SERVER__BIND", address.to_string());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("the binary starts");
        let serving = Serving { child, address, log: Arc::default(), unread: None, reader: None };
        let patience = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(patience.elapsed() < TIMEOUT, "it does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        serving
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .args(arguments)
            .env_clear()
            .envs(self.variables.iter().cloned())
            .current_dir(&self.folder);
        command.stdin(Stdio::null());
        command
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Finished {
    /// Standard output of a command that succeeded, without the last line's end.
    #[track_caller]
    pub(crate) fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out.trim_end_matches('\n')
    }

    /// Checks the exit code and that standard error is one line of ours which holds these words.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let told: Vec<&str> = self.err.lines().filter(|line| line.starts_with("clientele: ")).collect();
        assert_eq!(told.len(), 1, "{self:?}");
        for word in words {
            assert!(told[0].contains(word), "{word}: {self:?}");
        }
    }
}

/// A service in a process of its own; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
    unread: Option<Lines<BufReader<ChildStderr>>>,
    reader: Option<JoinHandle<()>>,
}

impl Serving {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
        let mut log = String::new();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| unreachable!("it ended: {log}")).expect("a line");
            log = format!("{log}{line}\n");
            if let Some((_, rest)) = line.split_once("listening on http://") {
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(rest.len());
                break rest[..end].parse().expect("an address");
            }
        };
        Self { child, address, log: Arc::new(Mutex::new(log)), unread: Some(lines), reader: None }
    }

    /// Begins to read the log.
    pub(crate) fn read_log(&mut self) {
        let lines = self.unread.take().expect("a log that nobody reads");
        let shared = Arc::clone(&self.log);
        self.reader = Some(std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{line}\n"));
            }
        }));
    }

    /// Goes away from a log that nobody reads: whoever writes it gets an error.
    pub(crate) fn close_log(&mut self) {
        self.unread = None;
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most memory that it held so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        peak_memory(self.child.id())
    }

    /// The names of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process's threads");
        let names = tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("comm")).expect("a name"));
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// The processor time that threads with such names have used, in clock ticks.
    pub(crate) fn processor_time(&self, is_meant: impl Fn(&str) -> bool) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process's threads");
        let ticks = tasks.flatten().map(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).expect("a thread's stat");
            let (name, rest) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).expect("a name");
            let fields: Vec<&str> = rest.split_whitespace().collect();
            // proc(5): utime and stime are the 14th and 15th field, the name the second.
            let ticks = |field: usize| fields[field - 3].parse::<u64>().expect("a number of ticks");
            if is_meant(name) { ticks(14) + ticks(15) } else { 0 }
        });
        ticks.sum()
    }

    /// Waits until the log has a line with these words.
    pub(crate) async fn logged(&self, words: &str) {
        let patience = Instant::now();
        while !self.log().contains(words) {
            assert!(patience.elapsed() < TIMEOUT, "{words}: {}", self.log());
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Limits the size of the files that it writes, in bytes or `unlimited`.
    pub(crate) fn limit_files(&self, size: &str) {
        let process = self.child.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &process, &format!("--fsize={size}:")]).status();
        assert!(status.expect("prlimit, of util-linux").success());
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success(), "kill -s {name}");
    }

    /// Waits for its end: the exit code, none after a deadly signal, and the log.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let patience = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("its state") {
                Some(status) => break status,
                None => assert!(patience.elapsed() < TIMEOUT, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log's reader");
        }
        (status.code(), self.log())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already, or it ends now.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The most memory that a process held so far, in KiB.
pub(crate) fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}
