//! config/nginx.conf: Debian's nginx with TLS in front of the service.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::site::{NAME, Site};
use crate::harness::{PASSWORD, registration};

/// Clients have other addresses than nginx.
const ANN: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

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
