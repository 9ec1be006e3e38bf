//! A log that cannot be written: it holds up no request, and what it lost is counted.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::harness::{Backend, Binary, Database, Serving, begin, raw};

/// More lines than a pipe and the service's own memory hold.
const REQUESTS: usize = 30_000;
/// Much longer than the end takes.
const SOON: Duration = Duration::from_secs(30);

/// Has as many requests answered, each of which is a line of the log.
async fn ask(address: SocketAddr) {
    let asking = move || {
        let stream = begin(address, b"");
        let request = format!("GET /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: {}\r\n\r\n", "x".repeat(128));
        let last = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let sender = stream.try_clone().expect("the same stream");
        let sending = std::thread::spawn(move || (&sender).write_all((request.repeat(REQUESTS - 1) + last).as_bytes()));
        let mut text = Vec::new();
        (&stream).read_to_end(&mut text).expect("the replies");
        sending.join().expect("the sender").expect("all is sent");
        text.windows(12).filter(|window| *window == b"HTTP/1.1 404").count()
    };
    assert_eq!(actix_rt::task::spawn_blocking(asking).await.expect("the asking ends"), REQUESTS);
}

/// Ends the service, whose log cannot be written.
fn end(serving: Serving) -> String {
    let started = Instant::now();
    serving.signal("TERM");
    let (code, log) = serving.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(started.elapsed() < SOON);
    log
}

#[actix_rt::test]
async fn a_log_that_nobody_reads_holds_up_no_request_and_says_later_what_it_lost() {
    for format in ["text", "json"] {
        let database = Database::migrated(Backend::Sqlite);
        let mut serving = Binary::on(&database.url).with("CLIENTELE__LOG__FORMAT", format).serve_unread();
        ask(serving.address).await;
        serving.read_log();
        let started = Instant::now();
        while !serving.log().contains("log lines were dropped") {
            assert!(started.elapsed() < SOON, "nothing is said of dropped lines");
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
        let request = b"GET /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: the-last\r\nConnection: close\r\n\r\n";
        raw(serving.address, request).await.problem(404, "not_found");
        let log = end(serving);
        assert!(log.contains("the-last"), "what comes later is written");
        let dropped = log.lines().filter_map(|line| {
            let (before, _) = line.split_once(" log lines were dropped")?;
            before.rsplit(|character: char| !character.is_ascii_digit()).next()?.parse::<usize>().ok()
        });
        let written = log.lines().filter(|line| line.contains("clientele::access")).count();
        assert_eq!(written + dropped.sum::<usize>(), REQUESTS + 1);
        if format == "json" {
            let is_object = |line| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|value| value.is_object());
            assert!(log.lines().all(is_object));
        }
    }
}

#[actix_rt::test]
async fn the_service_ends_though_nobody_reads_its_log() {
    let database = Database::migrated(Backend::Sqlite);
    let serving = Binary::on(&database.url).serve_unread();
    ask(serving.address).await;
    end(serving);
}

#[actix_rt::test]
async fn a_log_whose_reader_went_away_holds_up_no_request() {
    let database = Database::migrated(Backend::Sqlite);
    let mut serving = Binary::on(&database.url).serve_unread();
    serving.close_log();
    ask(serving.address).await;
    end(serving);
}

#[actix_rt::test]
async fn a_log_on_a_full_disk_holds_up_no_request() {
    let database = Database::migrated(Backend::Sqlite);
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let full = File::options().write(true).open("/dev/full").expect("a full disk");
    let serving = Binary::on(&database.url).serve_into(full, address);
    ask(address).await;
    end(serving);
}

#[test]
fn a_failure_is_told_behind_the_log() {
    let finished = Binary::bare().with("DATABASE_URL", "sqlite:///dev/null/x.db").run(&["serve"]);
    finished.refused(1, &[]);
    assert!(finished.err.lines().last().is_some_and(|line| line.starts_with("clientele: ")), "{finished:?}");
}
