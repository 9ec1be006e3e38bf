//! A real mail server, `tests/smtp_server.py`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::mailbox::Letter;
use super::ports::free_port;

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A mail server on the loopback; ended when dropped.
pub(crate) struct SmtpServer {
    child: Child,
    /// Where it listens.
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

/// A mail that the server accepted.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The envelope's sender and recipient.
    pub(crate) from: String,
    pub(crate) to: String,
    /// Whether the connection was encrypted, and the client authenticated.
    pub(crate) encrypted: bool,
    pub(crate) authenticated: bool,
    pub(crate) letter: Letter,
}

impl SmtpServer {
    /// Starts a server, with its command line's options.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_at(free_port(), options)
    }

    /// Starts a server on a port.
    pub(crate) fn start_at(port: u16, options: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("target/tools/python/bin/python3"));
        command.arg(root.join("tests/smtp_server.py")).arg(port.to_string()).args(options);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("Python: tests/run installs it");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines().map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some("listening"), "aiosmtpd: tests/run installs it");
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let shared = Arc::clone(&received);
        std::thread::spawn(move || {
            for line in lines {
                shared.lock().unwrap_or_else(PoisonError::into_inner).push(Received::parse(&line));
            }
        });
        Self { child, port, received }
    }

    /// `mail.url` for a server without TLS.
    pub(crate) fn url(&self) -> String {
        plain_url(self.port)
    }

    /// What it accepted so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has accepted this many mails.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let started = Instant::now();
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(started.elapsed() < PATIENCE, "{count} mails: {received:?}");
            actix_rt::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `mail.url` for a server without TLS.
pub(crate) fn plain_url(port: u16) -> String {
    format!("smtp://127.0.0.1:{port}?tls=none")
}

impl Received {
    fn parse(line: &str) -> Self {
        let mail: Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| mail[name].as_str().expect("a text").to_owned();
        let is = |name: &str| mail[name].as_bool().expect("a truth value");
        let letter = Letter::parse("", text("text").as_bytes());
        let (encrypted, authenticated) = (is("encrypted"), is("authenticated"));
        Self { from: text("from"), to: text("to"), encrypted, authenticated, letter }
    }
}

/// A certificate authority of the test's own, and a server certificate for localhost that it issued.
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them with openssl.
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let openssl = |line: &str| {
            let mut command = Command::new("openssl");
            let output = command.args(line.split_whitespace()).current_dir(folder.path()).output().expect("openssl");
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Tests -days 2"));
        openssl(&format!("req {key} -keyout key.pem -out request.pem -subj /CN=localhost"));
        std::fs::write(folder.path().join("names"), "subjectAltName = DNS:localhost\n").expect("a file");
        openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
        );
        Self { folder }
    }

    /// The file with the authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The options of a server that uses the certificate.
    pub(crate) fn options(&self) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        ["--certificate".into(), path("server.pem"), "--key".into(), path("key.pem")].into()
    }
}
