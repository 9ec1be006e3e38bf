//! A terminal for the commands of one page: a folder that looks like a checkout, an environment, bash.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::page::{Block, ROOT, blocks};
use super::shown;
use crate::harness::{Binary, Cluster, free_port, newest_server};

/// What pages may use of a checkout.
const CHECKOUT: [&str; 5] = ["Cargo.toml", "benches", "config", "diesel.toml", "migrations"];

/// Builds are not repeated: the program under test is already there.
const CARGO: &str = r#"#!/bin/sh
case $* in
    "run --release") exec clientele ;;
    "build --release") mkdir -p target/release && ln -sf "$(command -v clientele)" target/release/clientele ;;
    *) echo "the tests have no cargo $*" >&2; exit 1 ;;
esac
"#;

/// What the script of each page begins with. A record separator begins the output of each block.
const PROLOGUE: &str = r#"
set -eo pipefail
service=
begin() { printf '\036%s\n' "$1"; printf 'line %s:\n' "$1" >&2; }
end_service() {
    [ -n "$service" ] || return 0
    kill $(cat "/proc/$service/task/$service/children")
    wait "$service" || { echo "the service ended with $?" >&2; return 1; }
    service=
}
await_service() {
    for _ in $(seq 600); do
        ! curl -so /dev/null http://127.0.0.1:8080/health/live || return 0
        kill -0 "$service" 2>/dev/null || break
        sleep 0.1
    done
    echo "the service does not listen:" >&2
    cat service.log >&2
    return 1
}
"#;

/// The folder and the environment.
pub(super) struct Terminal {
    folder: TempDir,
    variables: Vec<(String, String)>,
    /// What is another text here than in the pages: addresses, and how much there is to do.
    rewritten: Vec<(&'static str, String)>,
    /// Whether a service with a few customers runs from the beginning.
    is_serving: bool,
    /// Goes after the commands.
    _cluster: Option<Cluster>,
}

impl Terminal {
    /// With the database of a fresh checkout: none yet.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (home, tools) = (folder.path().join("home"), folder.path().join("tools"));
        for made in [&home, &tools, &home.join("checkout")] {
            std::fs::create_dir(made).expect("a folder");
        }
        for name in CHECKOUT {
            symlink(Path::new(ROOT).join(name), home.join("checkout").join(name)).expect("a link");
        }
        // An answer that is an error fails the command.
        std::fs::write(home.join(".curlrc"), "fail-with-body\n").expect("curl's settings");
        symlink(env!("CARGO_BIN_EXE_clientele"), tools.join("clientele")).expect("a link");
        std::fs::write(tools.join("cargo"), CARGO).expect("a script");
        std::fs::set_permissions(tools.join("cargo"), PermissionsExt::from_mode(0o755)).expect("a program");
        let system = std::env::var("PATH").expect("PATH");
        let postgresql = newest_server().expect("PostgreSQL");
        let service = free_port();
        let variables = [
            ("PATH", format!("{}:{system}:{}", tools.display(), postgresql.display())),
            ("HOME", home.display().to_string()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("CLIENTELE__SERVER__BIND", format!("127.0.0.1:{service}")),
            ("CLIENTELE__SERVER__WORKERS", "1".to_owned()),
        ];
        let rewritten = [
            ("127.0.0.1:8080", format!("127.0.0.1:{service}")),
            ("https://accounts.shop.example", format!("http://127.0.0.1:{service}")),
            ("127.0.0.1:8099", format!("127.0.0.1:{}", free_port())),
            ("customers 100000", "customers 100".to_owned()),
            ("customers=100000", "customers=100".to_owned()),
            ("-d10s", "-d1s".to_owned()),
            ("-T 10", "-T 1".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { folder, variables, rewritten: rewritten.into(), is_serving: false, _cluster: None }
    }

    /// With a PostgreSQL server of its own, on which the database that a variable names has a hundred customers.
    pub(super) fn on_postgresql(variable: &str) -> Self {
        let cluster = Cluster::throwaway().expect("PostgreSQL");
        let url = cluster.url("postgres");
        Binary::on(&url).run(&["seed", "--customers", "100"]).done();
        let mut terminal = Self { _cluster: Some(cluster), ..Self::new() };
        terminal.variables.push((variable.to_owned(), url));
        terminal
    }

    /// With a service that has a few customers, and that the page takes for granted.
    pub(super) fn serving(self) -> Self {
        Self { is_serving: true, ..self }
    }

    /// Runs the commands of a page and compares what they print with what the page shows.
    pub(super) fn run(&self, page: &str) {
        let blocks = blocks(page);
        let printed = self.bash(page, &script(&blocks, self.is_serving));
        let printed_by = |line: usize| printed.iter().find(|(begin, _)| *begin == line).map(|(_, text)| text.as_str());
        let mut commands = None;
        for block in &blocks {
            match block.role.as_str() {
                _ if block.is_command() => commands = printed_by(block.line),
                "output" => {
                    let place = format!("{page}:{}", block.line);
                    shown::check(&place, block, commands.expect("commands before their output"));
                }
                _ => {}
            }
        }
    }

    /// What each block printed, by the line on which it begins.
    fn bash(&self, page: &str, script: &str) -> Vec<(usize, String)> {
        let script = self.rewritten.iter().fold(script.to_owned(), |text, (from, to)| text.replace(from, to));
        // `timeout` is the head of a process group, and ends what is left even if this process is gone.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "300", "bash", "-c", &script]);
        command.env_clear().envs(self.variables.iter().cloned()).current_dir(self.folder.path().join("home/checkout"));
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("timeout and bash");
        let group = format!("-{}", child.id());
        let output = child.wait_with_output().expect("its end");
        // What a page has left running; most leave nothing.
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{page}: {}\n{out}\n{err}", output.status);
        let parts = out.split('\u{1e}').skip(1).filter_map(|part| part.split_once('\n'));
        parts.map(|(line, text)| (line.parse().expect("a line"), text.to_owned())).collect()
    }
}

/// All commands of a page as one script.
fn script(blocks: &[Block], is_serving: bool) -> String {
    let mut script = PROLOGUE.to_owned();
    if is_serving {
        script.push_str(&service("clientele\n"));
        script.push_str("clientele seed --customers 10\n");
    }
    for Block { language, role, line, text } in blocks.iter().filter(|block| block.is_command()) {
        script.push_str(&match role.as_str() {
            "no-test" => continue,
            _ if language == "js" => format!("begin {line}\n{}", program(text)),
            "service" => format!("begin {line}\n{}", service(text)),
            _ => format!("begin {line}\n{text}"),
        });
    }
    script.push_str("end_service\n");
    script
}

/// A program for Node, which knows the token and the entity tag of the commands before it.
fn program(text: &str) -> String {
    format!(
        "access=$token etag=$etag node --input-type=module - <<'JS'\nconst {{ access, etag }} = process.env;\n{text}JS\n"
    )
}

/// A service in the place of the one before.
fn service(commands: &str) -> String {
    format!("end_service\n{{\n{commands}}} >>service.log 2>&1 &\nservice=$!\nawait_service\n")
}
