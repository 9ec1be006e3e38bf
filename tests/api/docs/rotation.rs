//! config/clientele.logrotate: a log in a file is rotated while the service runs.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::page::read;
use crate::harness::{Binary, Serving, free_port, raw};

const INSTALLED: &str = "/var/log/clientele/clientele.log";

/// A service that writes into a file.
struct Logged {
    folder: TempDir,
    serving: Serving,
    _binary: Binary,
}

impl Logged {
    fn start(options: &mut std::fs::OpenOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = options.create(true).open(folder.path().join("clientele.log")).expect("a log");
        let binary = Binary::on("sqlite://log.db").with("CLIENTELE__LOG__FORMAT", "json");
        let serving = binary.serve_into(file, SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        Self { folder, serving, _binary: binary }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a request of this id and waits until its line is in the log.
    async fn ask(&self, id: &str) {
        let request =
            format!("GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n");
        raw(self.serving.address, request.as_bytes()).await.expect(200);
        let patience = Instant::now();
        while !lossy(&self.path("clientele.log")).contains(id) {
            assert!(patience.elapsed() < Duration::from_secs(60), "{id} is not in the log");
            actix_rt::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Rotates with our settings, due or not.
    fn rotate(&self) {
        let ours = self.path("logrotate.conf");
        let log = self.path("clientele.log").display().to_string();
        std::fs::write(&ours, read("config/clientele.logrotate").replace(INSTALLED, &log)).expect("settings");
        let mut command = Command::new("env");
        let path = format!("{}:/usr/sbin", std::env::var("PATH").expect("PATH"));
        command.env("PATH", path).args(["logrotate", "--force", "--state"]).arg(self.path("state")).arg(&ours);
        let output = command.output().expect("env");
        assert!(output.status.success() && output.stderr.is_empty(), "logrotate, which tests/run installs: {output:?}");
    }
}

fn lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned()
}

#[actix_rt::test]
async fn a_log_that_appends_goes_on_behind_its_rotation() {
    let logged = Logged::start(File::options().append(true));
    for round in 0..3 {
        let (before, after) = (format!("before-{round}"), format!("after-{round}"));
        logged.ask(&before).await;
        logged.rotate();
        logged.ask(&after).await;
        let (rotated, current) = (lossy(&logged.path("clientele.log.1")), lossy(&logged.path("clientele.log")));
        assert!(rotated.contains(&before) && !rotated.contains(&after), "{rotated}");
        assert!(current.contains(&after) && !current.contains(&before), "{current}");
        for line in rotated.lines().chain(current.lines()) {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }
    // All but the latest are compressed.
    assert!(logged.path("clientele.log.3.gz").exists());
}

#[actix_rt::test]
async fn a_log_that_does_not_append_gets_a_hole() {
    let logged = Logged::start(File::options().write(true));
    logged.ask("before").await;
    logged.rotate();
    logged.ask("after").await;
    assert!(lossy(&logged.path("clientele.log")).starts_with('\0'));
}
