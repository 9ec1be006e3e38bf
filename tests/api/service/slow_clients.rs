//! Clients that do not finish what they began: each has a deadline, and what one connection can hold is bounded.
//!
//! No database takes part, so one of the two is enough, except where a test says so.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use socket2::{Domain, Socket, Type};

use crate::harness::{App, Backend, Binary, Database, begin, next_reply, on_both_databases, raw, read_reply, run};

const GET: &str = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
const HALF: &str = "GET /health/live HTTP/1.1\r\nHost: a\r\n";
/// The deadlines of the services here, in seconds.
const HURRIED: [(&str, &str); 2] =
    [("CLIENTELE__SERVER__HEAD_TIMEOUT_SECONDS", "1"), ("CLIENTELE__SERVER__BODY_TIMEOUT_SECONDS", "1")];
/// Much longer than those, and much shorter than an idle connection may last.
const SOON: Duration = Duration::from_secs(20);

/// Runs a test with a service that is in a hurry.
async fn hurried(test: impl AsyncFnOnce(App, App)) {
    run(Backend::Sqlite, async |app: App| {
        let hurried = app.instance(&HURRIED);
        test(app, hurried).await;
    })
    .await;
}

/// Sends a piece twenty times a second until the service closes; what it sent, and whether it was soon.
async fn drip(mut stream: TcpStream, piece: &'static [u8]) -> (String, bool) {
    let dripping = move || {
        let started = Instant::now();
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
        while started.elapsed() < 3 * SOON {
            // A closed connection shows itself to the reader.
            drop(stream.write_all(piece));
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => received.extend_from_slice(&chunk[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        (String::from_utf8(received).expect("UTF-8"), started.elapsed() < SOON)
    };
    actix_rt::task::spawn_blocking(dripping).await.expect("the dripping ends")
}

/// A request whose body comes in chunks, of which none is the last.
fn endless(target: &str, fields: &str) -> String {
    format!("{target} HTTP/1.1\r\nHost: a\r\n{fields}Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n")
}

#[actix_rt::test]
async fn half_a_head_after_a_request_is_408() {
    hurried(async |_, service| {
        let (reply, mut stream) = next_reply(begin(service.address, GET.as_bytes())).await;
        reply.expect(200);
        stream.write_all(HALF.as_bytes()).expect("half a head");
        let started = Instant::now();
        let reply = read_reply(stream).await;
        reply.problem(408, "request_timeout");
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(started.elapsed() < SOON);
    })
    .await;
}

#[actix_rt::test]
async fn half_a_head_in_the_same_packet_as_a_request_is_408() {
    hurried(async |app, service| {
        let john = app.john();
        let put = format!(
            "PUT {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{}}",
            john.path(),
            john.token
        );
        let chunked = "GET /health/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        for request in [GET, &put, chunked] {
            let started = Instant::now();
            let both = format!("{request}{HALF}");
            let reply = read_reply(begin(service.address, both.as_bytes())).await.expect(200);
            assert!(reply.text().contains("HTTP/1.1 408"), "{reply:?}");
            assert!(started.elapsed() < SOON);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_head_that_drips_is_408() {
    hurried(async |_, service| {
        let first = drip(begin(service.address, HALF.as_bytes()), b"a");
        let (_, stream) = next_reply(begin(service.address, GET.as_bytes())).await;
        let second = drip(stream, b"a");
        for (received, soon) in [first.await, second.await] {
            assert!(received.starts_with("HTTP/1.1 408") && received.contains("request_timeout"), "{received}");
            assert!(soon);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_body_that_drips_is_408() {
    hurried(async |app, service| {
        let john = app.john();
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
            john.path(),
            john.token
        );
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        let long = format!("{head}Content-Length: 60000\r\n\r\n");
        for (head, piece) in [(chunked, &b"1\r\n \r\n"[..]), (long, b" ")] {
            let (received, soon) = drip(begin(service.address, head.as_bytes()), piece).await;
            assert!(received.starts_with("HTTP/1.1 408") && received.contains("request_timeout"), "{received}");
            assert!(soon);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_body_that_nobody_reads_ends_by_its_deadline() {
    hurried(async |app, service| {
        let target = format!("PUT {}", app.john().path());
        for (target, fields, status) in [
            ("PUT /nowhere", "", "404"),
            (target.as_str(), "", "401"),
            (target.as_str(), "Authorization: Bearer x\r\n", "401"),
            ("GET /health/live", "", "200"),
            ("DELETE /health/live", "", "405"),
        ] {
            let request = endless(target, fields);
            for piece in [&b"1\r\n \r\n"[..], b""] {
                let (received, soon) = drip(begin(service.address, request.as_bytes()), piece).await;
                assert!(received.starts_with(&format!("HTTP/1.1 {status}")), "{target}: {received}");
                assert!(received.contains("connection: close"), "{target}: {received}");
                assert!(soon, "{target}");
            }
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_body_in_chunks_that_nobody_wants_does_not_cost_the_connection() {
    run(Backend::Sqlite, async |app: App| {
        let request = endless("PUT /nowhere", "") + "0\r\n\r\n";
        let (reply, mut stream) = next_reply(begin(app.address, request.as_bytes())).await;
        reply.problem(404, "not_found");
        assert_eq!(reply.header("connection"), None);
        stream.write_all(GET.as_bytes()).expect("the request is sent");
        next_reply(stream).await.0.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn a_client_that_stays_silent_is_408() {
    hurried(async |_, service| {
        let started = Instant::now();
        read_reply(begin(service.address, b"")).await.problem(408, "request_timeout");
        assert!(started.elapsed() < SOON);
    })
    .await;
}

#[actix_rt::test]
async fn whoever_waits_for_a_place_gets_it_when_the_deadlines_have_passed() {
    run(Backend::Sqlite, async |app: App| {
        let service = app.instance(&[&HURRIED[..], &[("CLIENTELE__SERVER__MAX_CONNECTIONS", "20")]].concat());
        let (john, chunked) = (app.john(), endless("PUT /nowhere", ""));
        let unsent = format!(
            "PUT {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n",
            john.path(),
            john.token
        );
        for behind in [HALF, &chunked, &unsent] {
            let mut slow = Vec::new();
            for _ in 0..20 {
                let (_, mut stream) = next_reply(begin(service.address, GET.as_bytes())).await;
                stream.write_all(behind.as_bytes()).expect("the begin of a request");
                slow.push(stream);
            }
            let started = Instant::now();
            let (reply, _) = next_reply(begin(service.address, GET.as_bytes())).await;
            reply.expect(200);
            assert!(started.elapsed() < SOON);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_head_of_more_than_16_kib_is_431() {
    run(Backend::Sqlite, async |app: App| {
        let with =
            |length: usize| format!("GET /health/live HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(length));
        for length in [24 * 1024, 100 * 1024, 1024 * 1024] {
            let (_, mut stream) = next_reply(begin(app.address, GET.as_bytes())).await;
            let head = with(length);
            let sender = stream.try_clone().expect("the same stream");
            let send = move || drop((&sender).write_all(head.as_bytes()));
            let sending = actix_rt::task::spawn_blocking(send);
            let reply = read_reply(stream.try_clone().expect("the same stream")).await;
            reply.problem(431, "bad_request");
            sending.await.expect("the sending ends");
            assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0);
        }
        let (reply, _) = next_reply(begin(app.address, with(15 * 1024).as_bytes())).await;
        reply.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn what_is_no_http_is_400_behind_the_replies_before_it() {
    run(Backend::Sqlite, async |app: App| {
        for request in [format!("{GET}{GET}\0\r\n\r\n"), format!("{GET}{GET}GET\r\n\r\n")] {
            let reply = read_reply(begin(app.address, request.as_bytes())).await.expect(200);
            let rest = reply.text();
            assert!(rest.contains("HTTP/1.1 200 OK") && rest.contains("HTTP/1.1 400"), "{rest}");
            assert!(rest.ends_with('}') && rest.contains("application/problem+json"), "{rest}");
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_client_that_is_slow_and_gets_on_is_served() {
    run(Backend::Sqlite, async |app: App| {
        let service = app.instance(&[
            ("CLIENTELE__SERVER__HEAD_TIMEOUT_SECONDS", "10"),
            ("CLIENTELE__SERVER__BODY_TIMEOUT_SECONDS", "10"),
        ]);
        let john = app.john();
        let body = format!(r#"{{"first_name":"Slow"{}}}"#, " ".repeat(60_000));
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             X-Long: {}\r\nContent-Length: {}\r\n\r\n",
            john.path(),
            john.token,
            "x".repeat(10_000),
            body.len()
        );
        let mut stream = begin(service.address, b"");
        for _ in 0..2 {
            for piece in head.as_bytes().chunks(head.len() / 20).chain(body.as_bytes().chunks(body.len() / 20)) {
                stream.write_all(piece).expect("a piece is sent");
                actix_rt::time::sleep(Duration::from_millis(40)).await;
            }
            let (reply, kept) = next_reply(stream).await;
            assert_eq!(reply.expect(200).json()["first_name"], "Slow");
            stream = kept;
        }
    })
    .await;
}

#[actix_rt::test]
async fn an_idle_connection_outlasts_the_other_deadlines() {
    hurried(async |_, service| {
        let mut stream = begin(service.address, b"");
        for _ in 0..2 {
            stream.write_all(GET.as_bytes()).expect("the request is sent");
            let (reply, kept) = next_reply(stream).await;
            reply.expect(200);
            stream = kept;
            actix_rt::time::sleep(Duration::from_millis(2500)).await;
        }
        stream.write_all(GET.as_bytes()).expect("the request is sent");
        next_reply(stream).await.0.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn requests_sent_together_are_answered_in_order_and_all() {
    run(Backend::Sqlite, async |app: App| {
        // Far more than is read ahead, and replies that are far longer than what may wait to be sent.
        const COUNT: usize = 3000;
        let john = app.john();
        let request = |number: usize| match number % 3 {
            0 => format!("GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: n{number}\r\n\r\n"),
            1 => {
                format!("PUT /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nX-Request-Id: n{number}\r\n\r\n{{}}")
            }
            _ => format!(
                "GET {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nX-Request-Id: n{number}\r\n\r\n",
                john.path(),
                john.token
            ),
        };
        let mut requests: String = (0..COUNT).map(request).collect();
        requests.push_str("GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let stream = begin(app.address, b"");
        let sender = stream.try_clone().expect("the same stream");
        let sending = actix_rt::task::spawn_blocking(move || (&sender).write_all(requests.as_bytes()));
        let reply = read_reply(stream).await;
        sending.await.expect("the sending ends").expect("all is sent");
        let first = reply.header("x-request-id").expect("an id").to_owned();
        let rest = reply.text().split("x-request-id: ").skip(1).map(|rest| rest.split("\r\n").next().expect("a line"));
        let seen: Vec<_> = std::iter::once(first.as_str()).chain(rest).collect();
        assert_eq!(seen.len(), COUNT + 1);
        for (number, id) in seen.iter().take(COUNT).enumerate() {
            assert_eq!(*id, format!("n{number}"));
        }
    })
    .await;
}

on_both_databases! {
    async fn a_slow_database_is_not_the_client_s_fault(app: App) {
        let john = app.john();
        let service = app.instance(&HURRIED);
        let mut blocker = app.connection();
        blocker.batch_execute(match app.backend() {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE",
        }).expect("the lock");
        let put = format!(
            "PUT {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 20\r\n\r\n{{\"first_name\":\"Jon\"}}{HALF}",
            john.path(),
            john.token
        );
        let stream = begin(service.address, put.as_bytes());
        actix_rt::time::sleep(Duration::from_millis(2500)).await;
        blocker.batch_execute("COMMIT").expect("the end of the lock");
        let (reply, mut stream) = next_reply(stream).await;
        // Served by now, or told to come back.
        assert!([200, 503].contains(&reply.status()), "{reply:?}");
        stream.write_all(b"\r\n").expect("the other half");
        next_reply(stream).await.0.expect(200);
    }
}

/// Sends requests until the service takes no more for half a second, and reads nothing.
fn pour(address: SocketAddr, request: &str) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    // What the kernel keeps for a client is not the service's.
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&address.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a write timeout");
    let many = request.repeat(64 * 1024 / request.len());
    for _ in 0..64 {
        if stream.write_all(many.as_bytes()).is_err() {
            break;
        }
    }
    stream
}

const ASKS: [&str; 2] = [GET, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"];

#[actix_rt::test]
async fn clients_that_ask_and_never_read_take_little_memory() {
    let database = Database::migrated(Backend::Sqlite);
    let serving = Binary::on(&database.url).serve();
    let before = serving.peak_memory();
    let address = serving.address;
    let pouring = move || -> Vec<_> {
        let threads: Vec<_> =
            (0..200).map(|number| std::thread::spawn(move || pour(address, ASKS[number % 2]))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a client")).collect()
    };
    let clients = actix_rt::task::spawn_blocking(pouring).await.expect("the clients");
    let peak = serving.peak_memory();
    assert!(peak - before < 100 * 1024, "{before} KiB before, then {peak} KiB");
    drop(clients);
    let request = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    raw(address, request).await.expect(200);
}

#[actix_rt::test]
async fn a_client_that_asks_and_never_reads_loses_its_connection() {
    hurried(async |_, service| {
        for ask in ASKS {
            let pouring = move || pour(service.address, ask);
            let mut client = actix_rt::task::spawn_blocking(pouring).await.expect("a client");
            client.set_nonblocking(true).expect("a non-blocking stream");
            let started = Instant::now();
            while !matches!(client.write(b"\r\n"), Err(error) if error.kind() != ErrorKind::WouldBlock) {
                assert!(started.elapsed() < SOON, "still connected");
                actix_rt::time::sleep(Duration::from_millis(20)).await;
            }
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_client_that_reads_slowly_gets_every_reply() {
    hurried(async |_, service| {
        const COUNT: usize = 40_000;
        let reading = move || {
            let mut stream = begin(service.address, b"");
            let sender = stream.try_clone().expect("the same stream");
            let sending = std::thread::spawn(move || {
                let last = "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                (&sender).write_all((GET.repeat(COUNT - 1) + last).as_bytes())
            });
            let (mut read, mut replies) = (1, 0);
            let mut chunk = vec![0; 1024 * 1024];
            let mut text = Vec::new();
            while read > 0 {
                std::thread::sleep(Duration::from_millis(200));
                read = stream.read(&mut chunk).expect("a reply");
                text.extend_from_slice(&chunk[..read]);
            }
            sending.join().expect("the sender").expect("all is sent");
            replies += text.windows(12).filter(|window| *window == b"HTTP/1.1 200").count();
            replies
        };
        assert_eq!(actix_rt::task::spawn_blocking(reading).await.expect("the reading ends"), COUNT);
    })
    .await;
}
