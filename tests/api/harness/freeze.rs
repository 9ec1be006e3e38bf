//! Processes of PostgreSQL that stop running for a while, as on a machine that hangs.

use std::process::Command;

use super::app::App;

/// Processes that are frozen until this is dropped.
pub(crate) struct Frozen(Vec<i64>);

impl Drop for Frozen {
    fn drop(&mut self) {
        // Back to front: the server, which may start others, goes on last.
        self.0.iter().rev().for_each(|process| signal("CONT", *process));
    }
}

/// Freezes one process.
pub(crate) fn freeze_process(process: i64) -> Frozen {
    signal("STOP", process);
    Frozen(vec![process])
}

impl App {
    /// Freezes every process of the PostgreSQL server that this test has for itself.
    pub(crate) fn freeze_server(&self) -> Frozen {
        let server =
            parent(self.number("SELECT CAST(pg_backend_pid() AS BIGINT) AS value")).expect("a running backend");
        let mut frozen = freeze_process(server);
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i64>().ok());
        for process in processes.filter(|process| parent(*process) == Some(server)) {
            signal("STOP", process);
            frozen.0.push(process);
        }
        frozen
    }
}

fn parent(process: i64) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn signal(name: &str, process: i64) {
    // It may have ended meanwhile.
    drop(Command::new("kill").args(["-s", name, &process.to_string()]).status());
}
