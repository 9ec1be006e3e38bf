//! Programs that the tests use beside the service: scripts of tests/js, and whatever else runs to an end.

use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
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
    run_to_end(command)
}

/// Runs a command that must succeed, off this thread, which has the service's own future to drive. What it printed to
/// standard output; everything that it printed is shown when it fails or takes too long.
pub(crate) async fn run_to_end(command: Command) -> String {
    let ended = actix_rt::task::spawn_blocking(move || run(command)).await.expect("the command's thread ends");
    ended.unwrap_or_else(|failure| unreachable!("{failure}"))
}

fn run(mut command: Command) -> Result<String, String> {
    // Files take everything that it prints, however much that is.
    let [mut out, mut err] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
    let [stdout, stderr] = [&out, &err].map(|file| Stdio::from(file.try_clone().expect("the same file")));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(|error| format!("{command:?}: {error}: tests/run installs it"))?;
    let started = Instant::now();
    let status = loop {
        match child.try_wait().expect("its state") {
            Some(status) => break status.to_string(),
            None if started.elapsed() > LIMIT => {
                child.kill().and_then(|()| child.wait()).expect("its end");
                break format!("it took longer than {LIMIT:?}");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let [out, err] = [&mut out, &mut err].map(|file| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("what it printed");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    if status == "exit status: 0" { Ok(out) } else { Err(format!("{command:?}: {status}\n{out}\n{err}")) }
}
