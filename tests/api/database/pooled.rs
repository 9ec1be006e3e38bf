//! `database.session`: PgBouncer between the service and PostgreSQL, in each of its modes.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use futures_util::future::{join, join_all};
use serde_json::json;

use crate::harness::{App, Backend, Binary, PASSWORD, PgBouncer, Proxy, raw, run};

const SESSION: &str = "CLIENTELE__DATABASE__SESSION";
/// Fewer than the service has threads.
const SESSIONS: u32 = 4;

fn instance(app: &App, pooler: &PgBouncer, session: &str) -> App {
    let timeout = ("CLIENTELE__DATABASE__STATEMENT_TIMEOUT_SECONDS", "2");
    app.instance(&[("DATABASE_URL", &pooler.url), (SESSION, session), timeout])
}

fn pooled(url: &str) -> Binary {
    Binary::on(url).with(SESSION, "pooled")
}

/// What a query names `value`.
fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let rows = diesel::sql_query(sql).load::<Row>(connection).expect("texts");
    rows.into_iter().map(|row| row.value).collect()
}

/// What a member does in a day, and readiness.
async fn a_day(app: &App) {
    app.get("/health/ready").send().await.expect(200);
    let member = app.member("rosa@example.com").await;
    let taken = json!({"email": "rosa@example.com", "first_name": "R", "last_name": "D", "password": PASSWORD});
    app.register(&taken).await.problem(409, "email_taken");
    for number in 0..5 {
        app.patch(&member, &json!({"first_name": format!("Rosa {number}")})).await.expect(200);
        assert_eq!(app.profile(&member).await.expect(200).json()["first_name"], format!("Rosa {number}"));
    }
    app.refresh(&member.refresh).await.expect(200);
    app.get(&format!("{}sessions/", member.path())).token(&member.token).send().await.expect(200);
    app.delete(&member.path()).token(&member.token).send().await.expect(204);
    app.get("/health/ready").send().await.expect(200);
}

/// More requests at once than there are sessions; readiness among them.
async fn a_rush(app: &App) {
    let crowd = app.crowd(60);
    for round in 0..3 {
        let body = json!({"last_name": format!("Round {round}")});
        let changes = join_all(crowd.iter().map(|person| app.change(person, &body)));
        let reads = join_all(crowd.iter().map(|person| app.get(&person.path()).token(&person.token).send()));
        let ready = join_all((0..20).map(|_| app.get("/health/ready").send()));
        let (changes, (reads, ready)) = join(changes, join(reads, ready)).await;
        for reply in changes.into_iter().chain(reads).chain(ready) {
            reply.expect(200);
        }
    }
}

async fn it_works(mode: &str, session: &str) {
    run(Backend::Postgres, async |app: App| {
        let pooler = PgBouncer::to(app.database_url(), mode, SESSIONS);
        let app = instance(&app, &pooler, session);
        a_day(&app).await;
        a_rush(&app).await;
    })
    .await;
}

#[actix_rt::test]
async fn a_pooler_in_transaction_mode_serves_pooled_sessions() {
    it_works("transaction", "pooled").await;
}

#[actix_rt::test]
async fn a_pooler_in_session_mode_serves_pooled_sessions() {
    it_works("session", "pooled").await;
}

#[actix_rt::test]
async fn a_pooler_in_session_mode_serves_direct_sessions() {
    it_works("session", "direct").await;
}

#[actix_rt::test]
async fn pooled_sessions_need_no_pooler() {
    run(Backend::Postgres, async |app: App| {
        let app = app.instance(&[(SESSION, "pooled")]);
        a_day(&app).await;
        a_rush(&app).await;
    })
    .await;
}

#[actix_rt::test]
async fn nothing_is_left_in_a_pooled_session() {
    run(Backend::Postgres, async |app: App| {
        let pooler = PgBouncer::to(app.database_url(), "transaction", 1);
        a_day(&instance(&app, &pooler, "pooled")).await;
        pooled(&pooler.url).run(&["customer", "create", "--email=a@example.com", "--first-name=A", "--last-name=B"]).done();
        let left = "SELECT name || ' = ' || setting AS value FROM pg_settings WHERE source = 'session'
                AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')
            UNION ALL SELECT statement FROM pg_prepared_statements
            UNION ALL SELECT locktype FROM pg_locks WHERE locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        // The pooler's only session, as another application finds it.
        let mut other = PgConnection::establish(&pooler.url).expect("a session");
        assert_eq!(texts(&mut other, left), Vec::<String>::new());
    })
    .await;
}

#[actix_rt::test]
async fn time_outs_hold_in_pooled_sessions() {
    run(Backend::Postgres, async |app: App| {
        let pooler = PgBouncer::to(app.database_url(), "transaction", SESSIONS);
        let (john, jane) = (app.john(), app.jane());
        let service = instance(&app, &pooler, "pooled");
        let body = json!({"first_name": "Other"});
        app.execute(
            "CREATE FUNCTION sleep() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER sleep BEFORE UPDATE ON customers FOR EACH ROW WHEN (NEW.id = 124) EXECUTE FUNCTION sleep()",
        );
        let started = Instant::now();
        service.change(&jane, &body).await.problem(503, "database_unavailable");
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        for lock in ["LOCK TABLE customers", "SELECT FROM customers WHERE id = 123 FOR UPDATE"] {
            let mut blocker = app.connection();
            blocker.batch_execute(&format!("BEGIN; {lock}")).expect("a lock");
            service.change(&john, &body).await.problem(503, "overloaded");
            service.delete(&john.path()).token(&john.token).send().await.problem(503, "overloaded");
        }
        service.change(&john, &body).await.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn a_change_takes_no_more_round_trips_in_a_pooled_session() {
    run(Backend::Postgres, async |app: App| {
        let proxy = Proxy::to(app.database_url());
        let john = app.john();
        let service = app.instance(&[("DATABASE_URL", &proxy.url()), (SESSION, "pooled")]);
        let mut least = u64::MAX;
        for number in 0..10 {
            let before = proxy.round_trips();
            service.change(&john, &json!({"first_name": format!("John {number}")})).await.expect(200);
            least = least.min(proxy.round_trips() - before);
        }
        // The same four, and who holds the slug.
        assert!((1..=5).contains(&least), "{least} round trips");
    })
    .await;
}

#[actix_rt::test]
async fn an_empty_database_is_migrated_through_a_pooler() {
    run(Backend::Postgres, async |app: App| {
        let empty = app.empty_database();
        let pooler = PgBouncer::to(&empty.url, "transaction", SESSIONS);
        let binary = || pooled(&pooler.url);
        let starting: Vec<_> =
            (0..3).map(|_| binary()).map(|binary| std::thread::spawn(move || binary.serve())).collect();
        for thread in starting {
            let serving = thread.join().expect("an instance starts");
            let ready = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            raw(serving.address, ready).await.expect(200);
        }
        binary().run(&["migrate", "status"]).done();
        binary().run(&["migrate", "revert"]).done();
        binary().run(&["migrate", "run"]).done();
        binary().run(&["seed", "--customers", "5"]).done();
        assert_eq!(binary().run(&["customer", "export"]).done().lines().count(), 5);
    })
    .await;
}

#[actix_rt::test]
async fn a_direct_session_through_a_pooler_in_transaction_mode_is_refused_in_one_line() {
    run(Backend::Postgres, async |app: App| {
        for (mode, sessions) in [("transaction", SESSIONS), ("transaction", 1), ("statement", SESSIONS)] {
            let pooler = PgBouncer::to(app.database_url(), mode, sessions);
            let binary = Binary::on(&pooler.url);
            for command in [&["serve"][..], &["migrate", "run"], &["config", "check"], &["customer", "export"]] {
                binary.run(command).refused(1, &["database.session = \"pooled\""]);
            }
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_pooler_in_statement_mode_is_refused_in_one_line() {
    run(Backend::Postgres, async |app: App| {
        let pooler = PgBouncer::to(app.database_url(), "statement", SESSIONS);
        for command in [&["serve"][..], &["migrate", "run"], &["config", "check"]] {
            pooled(&pooler.url).run(command).refused(1, &["transaction or session mode", "database.session"]);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_pooler_that_restarts_or_loses_its_server_is_503_until_it_is_back() {
    run(Backend::Postgres, async |app: App| {
        let mut pooler = PgBouncer::to(app.database_url(), "transaction", SESSIONS);
        let john = app.john();
        let service = instance(&app, &pooler, "pooled");
        let body = |name: &str| json!({"first_name": name});
        service.change(&john, &body("Before")).await.expect(200);
        app.execute(
            "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid(); END $$",
        );
        service.change(&john, &body("Terminated")).await.expect(200);
        pooler.stop();
        service.change(&john, &body("Never")).await.problem(503, "database_unavailable");
        service.get("/health/ready").send().await.problem(503, "database_unavailable");
        pooler.start();
        actix_rt::time::sleep(Duration::from_secs(2)).await;
        service.change(&john, &body("After")).await.expect(200);
        service.get("/health/ready").send().await.expect(200);
    })
    .await;
}
