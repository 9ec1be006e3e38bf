//! A service that has more to do than it admits.

use std::io::Write;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream::FuturesUnordered;
use serde_json::json;

use crate::harness::{Backend, Person, begin, next_reply, on_both_databases};

/// Locks all customers, so that nobody's change is served.
fn whole_table(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE",
    }
}

/// A change as it is sent.
fn change(person: &Person) -> String {
    let (path, token, body) = (person.path(), &person.token, r#"{"date_of_birth": "1990-01-15"}"#);
    format!(
        "PUT {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
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

    async fn a_connection_survives_refusals(app: App) {
        let narrow = app.instance(&[("CLIENTELE__DATABASE__QUEUE", "1"), ("CLIENTELE__DATABASE__THREADS", "1")]);
        let (john, crowd) = (app.john(), app.crowd(100));
        let mut blocker = app.connection();
        blocker.batch_execute(whole_table(app.backend())).expect("the lock");
        let body = json!({"date_of_birth": "1990-01-15"});
        let mut replies: FuturesUnordered<_> = crowd.iter().map(|person| narrow.change(person, &body)).collect();
        replies.next().await.expect("a reply").problem(503, "overloaded");
        let (reply, mut stream) = next_reply(begin(narrow.address, change(&john).as_bytes())).await;
        reply.problem(503, "overloaded");
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").expect("the request is sent");
        let (reply, mut stream) = next_reply(stream).await;
        reply.expect(200);
        blocker.batch_execute("COMMIT").expect("the end of the lock");
        replies.map(drop).collect::<()>().await;
        stream.write_all(change(&john).as_bytes()).expect("the request is sent");
        let reply = next_reply(stream).await.0.expect(200);
        assert_eq!(reply.json()["date_of_birth"], "1990-01-15");
    }
}
