//! A service that has more to do than it admits.
//!
//! On a connection that is in use already, refusals are written below the framework (`operations::wire`): no client is to
//! see a difference.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream::FuturesUnordered;
use serde_json::json;

use crate::harness::{App, Backend, Person, Reply, begin, next_reply, on_both_databases, read_reply};

/// Locks all customers, so that nobody's change is served.
fn whole_table(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE",
    }
}

/// A connection that is in use.
async fn kept_connection(app: &App) -> TcpStream {
    let (reply, stream) = next_reply(begin(app.address, b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    reply.expect(200);
    stream
}

/// A change as it is sent, with some header fields besides.
fn change(person: &Person, fields: &str) -> String {
    let (path, token, body) = (person.path(), &person.token, r#"{"date_of_birth": "1990-01-15"}"#);
    format!(
        "PUT {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         {fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends on a connection that stays open.
async fn next(mut stream: TcpStream, request: &str) -> (Reply, TcpStream) {
    stream.write_all(request.as_bytes()).expect("the request is sent");
    next_reply(stream).await
}

/// Runs `ask` with a service that refuses every change meanwhile, and two connections that were in use before.
async fn while_full<T>(app: &App, ask: impl AsyncFnOnce(&App, TcpStream, TcpStream) -> T) -> T {
    let full = app.instance(&[("CLIENTELE__DATABASE__QUEUE", "1"), ("CLIENTELE__DATABASE__THREADS", "1")]);
    let crowd = app.crowd(100);
    let (first, second) = (kept_connection(&full).await, kept_connection(&full).await);
    let mut blocker = app.connection();
    blocker.batch_execute(whole_table(app.backend())).expect("the lock");
    let body = json!({"date_of_birth": "1990-01-15"});
    let mut replies: FuturesUnordered<_> = crowd.iter().map(|person| full.change(person, &body)).collect();
    replies.next().await.expect("a reply").problem(503, "overloaded");
    let asked = ask(&full, first, second).await;
    blocker.batch_execute("COMMIT").expect("the end of the lock");
    replies.map(drop).collect::<()>().await;
    asked
}

on_both_databases! {
    async fn beyond_the_queue_is_503_at_once_and_whoever_was_admitted_is_served(app: App) {
        let narrow = app.instance(&[("CLIENTELE__DATABASE__QUEUE", "1"), ("CLIENTELE__DATABASE__THREADS", "1")]);
        let crowd = app.crowd(100);
        let mut blocker = app.connection();
        let lock = whole_table(app.backend());
        blocker.batch_execute(lock).expect("the lock");
        let body = json!({"date_of_birth": "1990-01-15"});
        let mut replies: FuturesUnordered<_> = crowd.iter().map(|person| narrow.change(person, &body)).collect();
        // While the table is locked nobody can be served, so the first answers are refusals.
        let refusal = replies.next().await.expect("a reply");
        refusal.problem(503, "overloaded");
        assert!(refusal.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 0)));
        // A stranger learns it as soon: the token comes second.
        narrow.put(&crowd[0].path()).json(&body).send().await.problem(503, "overloaded");
        blocker.batch_execute("COMMIT").expect("the end of the lock");
        let mut served = 0;
        while let Some(reply) = replies.next().await {
            match reply.status() {
                200 => served += 1,
                _ => {
                    reply.problem(503, "overloaded");
                }
            }
        }
        assert!(served > 0, "nobody was admitted");
        narrow.change(&crowd[0], &body).await.expect(200);
    }

    async fn a_second_after_a_flood_every_place_is_open_again(app: App) {
        let service = app.instance(&[("CLIENTELE__DATABASE__QUEUE", "64")]);
        let crowd = app.crowd(300);
        let mut blocker = app.connection();
        let lock = whole_table(app.backend());
        let body = json!({"date_of_birth": "1990-01-15"});
        blocker.batch_execute(lock).expect("the lock");
        let mut flood: FuturesUnordered<_> = crowd.iter().map(|person| service.change(person, &body)).collect();
        flood.next().await.expect("a reply").problem(503, "overloaded");
        blocker.batch_execute("COMMIT").expect("the end of the lock");
        flood.map(drop).collect::<()>().await;

        actix_rt::time::sleep(Duration::from_millis(1200)).await;
        let body = json!({"date_of_birth": "1990-01-16"});
        blocker.batch_execute(lock).expect("the lock");
        let release = async {
            actix_rt::time::sleep(Duration::from_millis(300)).await;
            blocker.batch_execute("COMMIT").expect("the end of the lock");
        };
        // Five times what may wait in a flood.
        let burst = join_all(crowd.iter().take(40).map(|person| service.change(person, &body)));
        for reply in join(burst, release).await.0 {
            reply.expect(200);
        }
    }

    async fn a_batch_that_outwaits_a_lock_is_applied_and_answered(app: App) {
        let crowd = app.crowd(30);
        let mut blocker = app.connection();
        let lock = match app.backend() {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN; SELECT FROM customers FOR UPDATE",
        };
        blocker.batch_execute(lock).expect("the lock");
        let body = json!({"date_of_birth": "1990-01-15"});
        let release = async {
            // The liveness probe answers although the writer waits: work on the database is off the event loop.
            app.get("/health/live").send().await.expect(200);
            blocker.batch_execute("COMMIT").expect("the end of the lock");
        };
        let writes = join_all(crowd.iter().map(|person| app.change(person, &body)));
        let (replies, ()) = join(writes, release).await;
        for reply in replies {
            reply.expect(200);
        }
    }

    async fn a_refusal_is_the_same_on_a_new_connection_and_on_one_in_use(app: App) {
        let john = app.john();
        let [new, used] = while_full(&app, async |full, stream, _| {
            let request = change(&john, "X-Request-Id: mine\r\n");
            let (new, _) = next_reply(begin(full.address, request.as_bytes())).await;
            let (used, _) = next(stream, &request).await;
            [new, used]
        })
        .await;
        let fields = |reply: &Reply| -> BTreeSet<_> {
            let value = |name| reply.header(name).filter(|_| name != "date").map(str::to_owned);
            reply.header_names().map(|name| (name.to_owned(), value(name))).collect()
        };
        assert_eq!(fields(&new), fields(&used));
        used.problem(503, "overloaded");
        assert_eq!((new.text(), used.header("x-request-id")), (used.text(), Some("mine")));
    }

    async fn a_connection_in_use_goes_on_after_refusals(app: App) {
        let john = app.john();
        let stream = while_full(&app, async |_, mut stream, _| {
            let mut ids = Vec::new();
            for _ in 0..3 {
                let (reply, kept) = next(stream, &change(&john, "")).await;
                reply.problem(503, "overloaded");
                ids.push(reply.json()["request_id"].clone());
                stream = kept;
            }
            ids.dedup();
            assert_eq!(ids.len(), 3);
            let (reply, stream) = next(stream, "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
            reply.expect(200);
            stream
        })
        .await;
        let reply = next(stream, &change(&john, "")).await.0.expect(200);
        assert_eq!(reply.json()["date_of_birth"], "1990-01-15");
    }

    async fn requests_in_pieces_and_several_at_once_are_refused_in_order(app: App) {
        let john = app.john();
        while_full(&app, async |_, mut pieces, mut several| {
            let request = change(&john, "X-Request-Id: pieces\r\n");
            for piece in request.as_bytes().chunks(100) {
                pieces.write_all(piece).expect("a piece is sent");
                actix_rt::time::sleep(Duration::from_millis(5)).await;
            }
            let (reply, pieces) = next_reply(pieces).await;
            reply.problem(503, "overloaded");
            assert_eq!(reply.header("x-request-id"), Some("pieces"));
            let (reply, _) = next(pieces, &change(&john, "X-Request-Id: whole\r\n")).await;
            reply.problem(503, "overloaded");
            assert_eq!(reply.header("x-request-id"), Some("whole"));

            let last = change(&john, "X-Request-Id: last\r\nConnection: close\r\n");
            let both = change(&john, "X-Request-Id: first\r\n") + &last;
            several.write_all(both.as_bytes()).expect("both are sent");
            let reply = read_reply(several).await.expect(503);
            assert_eq!(reply.header("x-request-id"), Some("first"));
            let rest = reply.text();
            assert!(rest.contains("HTTP/1.1 503") && rest.contains("x-request-id: last"), "{rest}");
        })
        .await;
    }

    async fn a_request_of_two_lengths_is_400_however_much_there_is_to_do(app: App) {
        let john = app.john();
        while_full(&app, async |_, mut lengths, mut chunked| {
            lengths.write_all(change(&john, "Content-Length: 5\r\n").as_bytes()).expect("the request is sent");
            read_reply(lengths).await.problem(400, "bad_request");
            chunked.write_all(change(&john, "Transfer-Encoding: chunked\r\n").as_bytes()).expect("the request is sent");
            read_reply(chunked).await.problem(400, "bad_request");
        })
        .await;
    }
}
