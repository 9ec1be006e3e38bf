//! Programs that the tests use beside the service: scripts of tests/js, and whatever else runs to an end.

use std::ffi::OsString;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than any of them takes; what takes longer is ended.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs a script of tests/js, or one in its `node_modules`, with Node. What it printed to standard output.
#[track_caller]
pub(crate) fn node(script: &str, arguments: &[&str]) -> impl Future<Output = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js");
    assert!(folder.join("node_modules").exists(), "tests/js/node_modules is missing: tests/run installs it");
    let mut command = Command::new("node");
    command.arg(folder.join(script)).args(arguments).current_dir(folder);
    // Nothing is asked of another host.
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    run_to_end(command)
}

/// Runs a command that must succeed, off this thread, which has the service's own future to drive. What it printed to
/// standard output; everything that it printed is shown when it fails or takes too long.
pub(crate) async fn run_to_end(command: Command) -> String {
    let ended = actix_rt::task::spawn_blocking(move || run(command)).await.expect("the command's thread ends");
    ended.unwrap_or_else(|failure| unreachable!("{failure}"))
}

/// `PATH`, with what tests/run installed before the rest.
fn path() -> OsString {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let mut folders = vec![tools.join("bin"), tools.join("python/bin")];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(folders).expect("no folder's name has a colon")
}

fn run(mut command: Command) -> Result<String, String> {
    // Files take everything that it prints, however much that is.
    let [mut out, mut err] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
    let [stdout, stderr] = [&out, &err].map(|file| Stdio::from(file.try_clone().expect("the same file")));
    let mut child = command
        .env("PATH", path())
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(|error| format!("{command:?}: {error}: tests/run installs it"))?;
    let status = wait(&mut child);
    let [out, err] = [&mut out, &mut err].map(|file| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("what it printed");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    match status {
        Some(status) if status.success() => Ok(out),
        Some(status) => Err(format!("{command:?}: {status}\n{out}\n{err}")),
        None => Err(format!("{command:?} took longer than {LIMIT:?}\n{out}\n{err}")),
    }
}

/// None when it took too long, and was ended.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().expect("its state") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().and_then(|()| child.wait()).expect("its end");
    None
}
