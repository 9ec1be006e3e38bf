//! config/nginx.conf: Debian's nginx with TLS, on loopback ports, in front of the service.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::page::read;
use crate::harness::{Binary, PASSWORD, Serving, free_port, registration};

const NAME: &str = "accounts.example.com";
/// Clients have other addresses than nginx.
const ANN: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

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

/// The service behind nginx.
struct Site {
    nginx: Child,
    folder: TempDir,
    service: Serving,
    _binary: Binary,
    https: u16,
    http: u16,
}

/// What curl got.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| unreachable!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    #[track_caller]
    fn problem(self, status: u16, code: &str) -> Self {
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
    fn start() -> Self {
        let binary = Binary::on("sqlite://site.db")
            .with("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1")
            .with("CLIENTELE__THROTTLE__ADDRESS_BURST", "3")
            .with("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1");
        let service = binary.serve();
        let (folder, https, http) = (tempfile::tempdir().expect("a folder"), free_port(), free_port());
        certify(folder.path());
        let site = read("config/nginx.conf")
            .replace("server 127.0.0.1:8080;", &format!("server {};", service.address))
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

    /// What a client with this address gets from the whole of curl's arguments.
    fn curl(&self, client: &str, arguments: &[&str]) -> Answer {
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

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.https)
    }

    fn post(&self, client: &str, path: &str, body: &Value, more: &[&str]) -> Answer {
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

#[test]
fn the_service_is_served_over_tls_and_plain_http_leads_there() {
    let site = Site::start();
    site.post(ANN, "/api/v1/customers/", &registration("ann@example.com"), &[]).expect(201);
    let tokens = site.post(ANN, "/auth/token/", &json!({"email": "ann@example.com", "password": PASSWORD}), &[]);
    let bearer = format!("Authorization: Bearer {}", tokens.expect(200).json()["access"].as_str().expect("a token"));
    let me = site.url("/api/v1/customers/me/");
    let shown = site.curl(ANN, &["-H", &bearer, &me]).expect(200);
    assert!(shown.head.starts_with("HTTP/2 ") && shown.header("strict-transport-security").is_some(), "{shown:?}");
    // The version passes as it is, so conditions work.
    let etag = format!("If-Match: {}", shown.header("etag").expect("an ETag"));
    let put = ["-X", "PUT", "-H", &bearer, "-H", &etag, "-H", "Content-Type: application/json"];
    let change = |name: &str| json!({"first_name": name}).to_string();
    site.curl(ANN, &[&put[..], &["-d", &change("Anna"), &me]].concat()).expect(200);
    site.curl(ANN, &[&put[..], &["-d", &change("Annie"), &me]].concat()).problem(412, "version_mismatch");
    let plain = site.curl(ANN, &[&format!("http://{NAME}:{}/docs?x=1", site.http)]).expect(308);
    assert_eq!(plain.header("location"), Some(format!("https://{NAME}/docs?x=1").as_str()));
}

#[test]
fn clients_are_throttled_one_by_one_and_none_can_choose_an_address() {
    let site = Site::start();
    let wrong = json!({"email": "ann@example.com", "password": "a wrong one"});
    let sign_in = |client: &str, more: &[&str]| site.post(client, "/auth/token/", &wrong, more);
    for _ in 0..3 {
        sign_in(ANN, &[]).problem(401, "bad_credentials");
    }
    for header in ["X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 127.0.0.3, 198.51.100.8", "X-Forwarded-For:"] {
        let throttled = sign_in(ANN, &["-H", header]).problem(429, "too_many_requests");
        assert!(throttled.header("retry-after").is_some(), "{throttled:?}");
    }
    sign_in(BOB, &[]).problem(401, "bad_credentials");
    assert!(!site.service.log().contains("X-Forwarded-For came from"), "{}", site.service.log());
}

#[test]
fn a_body_that_is_too_large_is_refused_in_one_form_and_none_is_kept_in_a_file() {
    let site = Site::start();
    let padded = |length: usize| json!({"email": "ann@example.com", "password": "x".repeat(length)});
    for length in [65 * 1024, 120 * 1024] {
        let refused = site.post(ANN, "/auth/token/", &padded(length), &[]).problem(413, "body_too_large");
        assert!(refused.header("x-request-id").is_some(), "the service's own: {refused:?}");
    }
    let body = site.folder.path().join("large.json");
    std::fs::write(&body, padded(300 * 1024).to_string()).expect("a body");
    let file = format!("@{}", body.display());
    let url = site.url("/auth/token/");
    site.curl(ANN, &["-H", "Content-Type: application/json", "--data-binary", &file, &url])
        .problem(413, "body_too_large");
    for folder in ["body", "proxy"] {
        let mut kept = std::fs::read_dir(site.folder.path().join(folder)).expect("nginx's folder");
        assert!(kept.next().is_none(), "{folder}");
    }
    let log = std::fs::read_to_string(site.folder.path().join("error.log")).expect("nginx's log");
    assert!(!log.contains("buffered to a temporary file"), "{log}");
}

#[test]
fn connections_to_the_service_stay_open() {
    let site = Site::start();
    let before = connections(site.service.address.port());
    for _ in 0..20 {
        site.curl(ANN, &[&site.url("/health/live")]).expect(200);
    }
    let made = connections(site.service.address.port()) - before;
    assert!((1..=3).contains(&made), "{made} connections for 20 requests");
}

#[test]
fn while_the_service_is_away_clients_are_told_to_come_back() {
    let site = Site::start();
    let live = site.url("/health/live");
    site.curl(ANN, &[&live]).expect(200);
    site.service.signal("KILL");
    let patience = Instant::now();
    while TcpStream::connect(site.service.address).is_ok() {
        assert!(patience.elapsed() < Duration::from_secs(60), "it does not end");
    }
    let away = site.curl(ANN, &[&live]).problem(503, "overloaded");
    assert_eq!(away.header("retry-after"), Some("5"), "{away:?}");
}

/// How many connections to a port of this machine there are, with those that were closed a moment ago.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's connections");
    let port = format!("{port:04X}");
    // proc_pid_net(5): the second field is the one end, the third the other, in hexadecimal digits; the other end of a
    // listening socket has port 0. Each end may stand there, or both.
    let clients = table.lines().filter_map(|line| {
        let mut ends = line.split_whitespace().skip(1).filter_map(|end| end.split(':').nth(1));
        let (one, other) = (ends.next()?, ends.next()?);
        let client = if one == port { other } else { one };
        ((one == port || other == port) && client != "0000").then(|| client.to_owned())
    });
    clients.collect::<BTreeSet<_>>().len()
}
