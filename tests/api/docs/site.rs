//! A service behind nginx, which runs with config/nginx.conf on loopback ports.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::page::{blocks, read};
use crate::harness::{Binary, Serving, free_port};

/// The name that the site has.
pub(super) const NAME: &str = "accounts.example.com";

/// What stands around the site on Debian, with every path below one folder.
const AROUND: &str = "daemon off;
worker_processes 1;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
";

/// A shop with pages of its own, before the account pages stand beside it.
const SHOP: &str = r#"server {
    listen 443 ssl http2;
    server_name accounts.example.com;
    ssl_certificate /etc/ssl/certs/accounts.example.com.pem;
    ssl_certificate_key /etc/ssl/private/accounts.example.com.key;
    location / {
        return 200 "The shop";
    }
ACCOUNT
}
"#;

/// The service behind nginx.
pub(super) struct Site {
    nginx: Child,
    /// What nginx keeps.
    pub(super) folder: TempDir,
    /// The service itself.
    pub(super) service: Serving,
    _binary: Binary,
    https: u16,
    /// The port of plain HTTP.
    pub(super) http: u16,
}

/// What curl got.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    /// The status line and the headers.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// Fails with the whole answer unless the status is the expected one.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| unreachable!("{error}: {self:?}"))
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Fails unless it is a problem body of this status and code.
    #[track_caller]
    pub(super) fn problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        let body = answer.json();
        assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{answer:?}");
        for member in ["type", "title", "detail", "request_id"] {
            assert!(body[member].is_string(), "{member}: {answer:?}");
        }
        answer
    }
}

impl Site {
    /// Starts both, with config/nginx.conf.
    pub(super) fn start() -> Self {
        Self::behind(&read("config/nginx.conf"))
    }

    /// Starts both, with the part of docs/account-pages.md in the settings of a shop.
    pub(super) fn beside_a_shop() -> Self {
        let pages =
            blocks("docs/account-pages.md").into_iter().find(|block| block.language == "nginx").expect("a part");
        Self::behind(&SHOP.replace("ACCOUNT", &pages.text))
    }

    /// Starts both and waits until nginx listens. One address may try to sign in three times.
    fn behind(settings: &str) -> Self {
        let binary = Binary::on("sqlite://site.db")
            .with("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1")
            .with("CLIENTELE__THROTTLE__ADDRESS_BURST", "3")
            .with("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1");
        let service = binary.serve();
        let (folder, https, http) = (tempfile::tempdir().expect("a folder"), free_port(), free_port());
        certify(folder.path());
        let site = settings
            .replace("127.0.0.1:8080;", &format!("{};", service.address))
            .replace("listen 443 ", &format!("listen 127.0.0.1:{https} "))
            .replace("listen 80;", &format!("listen 127.0.0.1:{http};"))
            .replace("/etc/ssl/certs/accounts.example.com.pem", "site.pem")
            .replace("/etc/ssl/private/accounts.example.com.key", "site.key");
        let without_ipv6: Vec<&str> = site.lines().filter(|line| !line.contains("listen [::]")).collect();
        std::fs::write(folder.path().join("site.conf"), without_ipv6.join("\n")).expect("settings");
        std::fs::write(folder.path().join("nginx.conf"), AROUND).expect("settings");
        // `timeout` ends it even if this process is gone.
        let mut command = Command::new("timeout");
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").expect("PATH")));
        command.args(["300", "nginx", "-e", "error.log", "-c", "nginx.conf", "-p"]).arg(folder.path());
        let nginx = command.stdin(Stdio::null()).spawn().expect("timeout");
        let site = Self { nginx, folder, service, _binary: binary, https, http };
        let patience = Instant::now();
        while TcpStream::connect(("127.0.0.1", https)).is_err() {
            let log = std::fs::read_to_string(site.folder.path().join("error.log")).unwrap_or_default();
            assert!(patience.elapsed() < Duration::from_secs(60), "nginx, which tests/run installs: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        site
    }

    /// What a client with this address gets when it calls curl with these arguments.
    pub(super) fn curl(&self, client: &str, arguments: &[&str]) -> Answer {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--include", "--max-time", "60", "--interface", client]);
        command.arg("--cacert").arg(self.folder.path().join("site.pem"));
        for port in [self.https, self.http] {
            command.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
        }
        let output = command.args(arguments).output().expect("curl");
        let text = String::from_utf8(output.stdout).expect("UTF-8").replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| unreachable!("{text}: {:?}", output.stderr));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The address of a path, over TLS.
    pub(super) fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.https)
    }

    /// What a client with this address gets for a JSON body.
    pub(super) fn post(&self, client: &str, path: &str, body: &Value, more: &[&str]) -> Answer {
        let (body, url) = (body.to_string(), self.url(path));
        self.curl(client, &[&["-H", "Content-Type: application/json", "-d", &body, &url], more].concat())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // `timeout` passes the signal on; killing nginx's master would leave its worker behind.
        let _ = Command::new("kill").arg(self.nginx.id().to_string()).status();
        drop(self.nginx.wait());
    }
}

/// Makes a certificate that signs itself.
fn certify(folder: &Path) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command.args(["-subj", &format!("/CN={NAME}"), "-addext", &format!("subjectAltName=DNS:{NAME}")]);
    command.args(["-keyout", "site.key", "-out", "site.pem"]).current_dir(folder);
    let output = command.output().expect("openssl");
    assert!(output.status.success(), "{output:?}");
}
