//! Other processes at SQLite's file: a writer that holds it, a reader that stays.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, Backend, run};

/// Several times what is promised, because the tests share their machine.
const SOON: Duration = Duration::from_millis(2500);

#[actix_rt::test]
async fn while_another_process_writes_each_change_is_answered_in_time_and_reads_do_not_wait() {
    run(Backend::Sqlite, async |app: App| {
        let (john, member) = (app.john(), app.member("rosa@example.com").await);
        let others = [
            app.session_of(&member.email, crate::harness::PASSWORD).await,
            app.session_of(&member.email, crate::harness::PASSWORD).await,
        ];
        let mut writer = app.connection();
        writer.batch_execute("BEGIN IMMEDIATE").expect("the write lock");
        let body = json!({"first_name": "Johnny"});
        let timed = async |reply: std::pin::Pin<Box<dyn Future<Output = crate::harness::Reply>>>| {
            let started = Instant::now();
            (reply.await, started.elapsed())
        };
        let mut asked: Vec<std::pin::Pin<Box<dyn Future<Output = crate::harness::Reply>>>> = Vec::new();
        for session in [&member, &others[0], &others[1]] {
            let (app, token) = (app.clone(), session.refresh.clone());
            asked.push(Box::pin(async move { app.refresh(&token).await }));
        }
        let put = app.put(&john.path()).token(&john.token).json(&body).send();
        asked.push(Box::pin(put));
        let reads = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..20 {
                let started = Instant::now();
                app.show(&john).await;
                app.get("/health/ready").send().await.expect(200);
                slowest = slowest.max(started.elapsed());
                actix_rt::time::sleep(Duration::from_millis(100)).await;
            }
            slowest
        };
        let (replies, slowest) = futures_util::future::join(join_all(asked.into_iter().map(timed)), reads).await;
        for (reply, waited) in replies {
            reply.problem(503, "overloaded");
            assert!(waited < Duration::from_secs(9), "{waited:?}");
        }
        assert!(slowest < SOON, "a read waited {slowest:?}");
        writer.batch_execute("COMMIT").expect("the end of the lock");
        app.change(&john, &body).await.expect(200);
        app.refresh(&member.refresh).await.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn a_writer_that_holds_the_file_for_a_moment_costs_nobody_an_error() {
    run(Backend::Sqlite, async |app: App| {
        let crowd = app.crowd(20);
        let mut writer = app.connection();
        writer.batch_execute("BEGIN IMMEDIATE").expect("the write lock");
        let body = json!({"first_name": "Johnny"});
        let unlock = async {
            actix_rt::time::sleep(Duration::from_millis(600)).await;
            writer.batch_execute("COMMIT").expect("the end of the lock");
        };
        let changes = join_all(crowd.iter().map(|person| app.change(person, &body)));
        let (replies, ()) = futures_util::future::join(changes, unlock).await;
        for reply in replies {
            reply.expect(200);
        }
    })
    .await;
}

#[actix_rt::test]
async fn no_change_waits_for_a_reader_that_stays() {
    run(Backend::Sqlite, async |app: App| {
        let john = app.john();
        let mut reader = app.connection();
        reader.batch_execute("BEGIN; SELECT COUNT(*) FROM customers").expect("a reader");
        // Pauses make the checkpoint want to empty the log, which the reader is still using.
        for number in 0..8 {
            let body = json!({"last_name": format!("Number {number}")});
            let started = Instant::now();
            app.change(&john, &body).await.expect(200);
            let waited = started.elapsed();
            assert!(waited < SOON, "a change waited {waited:?}");
            actix_rt::time::sleep(Duration::from_millis(500)).await;
        }
        reader.batch_execute("COMMIT").expect("the end of the reader");
    })
    .await;
}
