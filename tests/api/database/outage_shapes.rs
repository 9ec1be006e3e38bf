//! PostgreSQL in the shapes that an outage takes: frozen, far away, short of connections, cut off in mid-commit.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{App, Backend, Cluster, Database, Frozen, Person, Proxy, run, run_on};

/// A statement's time-out of a second, so that the tests need not wait for ten.
const IMPATIENT: [(&str, &str); 1] = [("CLIENTELE__DATABASE__STATEMENT_TIMEOUT_SECONDS", "1")];
/// The time-out, its margin, the wait in the queue, and several times as much for a machine that is busy.
const IN_TIME: Duration = Duration::from_secs(16);

fn birthday(day: u32) -> Value {
    json!({"date_of_birth": format!("1990-01-{day:02}")})
}

async fn is_unavailable_in_time(app: &App, person: &Person) {
    let started = Instant::now();
    let body = birthday(1);
    let put = app.change(person, &body);
    let get = app.get(&person.path()).token(&person.token).send();
    let ready = app.get("/health/ready").send();
    for reply in join_all([boxed(put), boxed(get), boxed(ready)]).await {
        assert_eq!(reply.status(), 503);
        assert!(reply.header("retry-after").is_some());
    }
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    app.get("/health/live").send().await.expect(200);
}

fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> std::pin::Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}

/// Tries until the service has found its way back; what the customer then is.
async fn recovers(app: &App, person: &Person) -> Value {
    for day in 2..28 {
        let reply = app.change(person, &birthday(day)).await;
        if reply.status() == 200 {
            assert_eq!(app.show(person).await["date_of_birth"], birthday(day)["date_of_birth"]);
            return reply.json();
        }
        actix_rt::time::sleep(Duration::from_millis(500)).await;
    }
    unreachable!("it did not recover")
}

#[actix_rt::test]
async fn a_frozen_server_is_503_in_time_and_over_when_it_thaws() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let john = app.john();
        let service = app.instance(&IMPATIENT);
        service.change(&john, &birthday(1)).await.expect(200);
        service.show(&john).await;
        let frozen = Frozen::server(&cluster);
        is_unavailable_in_time(&service, &john).await;
        is_unavailable_in_time(&service, &john).await;
        drop(frozen);
        recovers(&service, &john).await;
        service.get("/health/ready").send().await.expect(200);
    })
    .await;
}

/// The server process behind the connection that writes John's changes.
async fn writer_of(service: &App, john: &Person) -> i64 {
    // The one that committed last: others did when John was added. On a busy machine, the thread may have lent its
    // connection for another statement by now.
    let writer = "SELECT CAST(pid AS TEXT) AS value FROM pg_stat_activity WHERE query = 'COMMIT'
        AND datname = current_database() AND pid <> pg_backend_pid() ORDER BY query_start DESC LIMIT 1";
    for day in 1..28 {
        service.change(john, &birthday(day)).await.expect(200);
        if let Some(pid) = service.texts(writer).pop() {
            return pid.parse().expect("a number");
        }
    }
    unreachable!("no connection has committed")
}

#[actix_rt::test]
async fn one_frozen_connection_costs_its_own_request_and_the_next_ones_are_served_by_another() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let (john, jane) = (app.john(), app.jane());
        let service = app.instance(&IMPATIENT);
        let frozen = Frozen::process(writer_of(&service, &john).await);
        let started = Instant::now();
        assert_eq!(service.change(&john, &birthday(28)).await.status(), 503);
        assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
        // The connection is still frozen.
        recovers(&service, &jane).await;
        drop(frozen);
        recovers(&service, &john).await;
    })
    .await;
}

#[actix_rt::test]
async fn replies_that_never_come_are_503_in_time() {
    run(Backend::Postgres, async |app: App| {
        let proxy = Proxy::to(app.database_url());
        let john = app.john();
        let url = proxy.url();
        let service = app.instance(&[IMPATIENT[0], ("DATABASE_URL", &url)]);
        service.change(&john, &birthday(1)).await.expect(200);
        proxy.swallow_replies(true);
        is_unavailable_in_time(&service, &john).await;
        proxy.swallow_replies(false);
        recovers(&service, &john).await;
    })
    .await;
}

#[actix_rt::test]
async fn a_change_whose_commit_was_lost_on_the_way_is_503_and_never_repeated() {
    run(Backend::Postgres, async |app: App| {
        let proxy = Proxy::to(app.database_url());
        let john = app.john();
        let url = proxy.url();
        let behind_proxy = app.instance(&[("DATABASE_URL", &url)]);
        behind_proxy.change(&john, &json!({"first_name": "Before"})).await.expect(200);
        for round in 1..=5 {
            proxy.lose_a_commit();
            let reply = behind_proxy.change(&john, &json!({"first_name": format!("Ann {round}")})).await;
            reply.problem(503, "database_unavailable");
            assert!(!proxy.is_to_lose_a_commit(), "the commit never came");
            let etag = app.etag(&john).await;
            let bobs = json!({"first_name": format!("Bob {round}")});
            let put = app.put(&john.path()).token(&john.token).header("If-Match", &etag).json(&bobs);
            put.send().await.expect(200);
            // The first instance connects again, and serves.
            behind_proxy.change(&john, &birthday(round)).await.expect(200);
            assert_eq!(app.show(&john).await["first_name"], bobs["first_name"]);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_connection_that_broke_before_the_commit_costs_no_error_and_changes_once() {
    run(Backend::Postgres, async |app: App| {
        let john = app.john();
        app.change(&john, &birthday(1)).await.expect(200);
        for day in 2..12 {
            // Ends the service's connections; the next statement finds out.
            let end = "SELECT COUNT(pg_terminate_backend(pid)) AS value FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            app.number(end);
            app.change(&john, &birthday(day)).await.expect(200);
            assert_eq!(app.etag(&john).await, format!("\"{}\"", day + 1));
        }
    })
    .await;
}

#[actix_rt::test]
async fn the_round_trips_of_a_change_are_few_and_those_of_many_changes_are_no_more() {
    run(Backend::Postgres, async |app: App| {
        let proxy = Proxy::to(app.database_url());
        let crowd = app.crowd(65);
        let url = proxy.url();
        let service = app.instance(&[("DATABASE_URL", &url), ("CLIENTELE__DATABASE__QUEUE_TIMEOUT_SECONDS", "30")]);
        let body = |number: usize| {
            let address = json!({"street_address": number.to_string(), "city": "Lima", "country": "Peru"});
            json!({"date_of_birth": "1990-01-15", "address": address})
        };
        let mut one = u64::MAX;
        // The first prepares the statements, and what a new service does by itself counts too. Two customers with ids
        // in a row are served by two threads.
        for number in 0..10 {
            let before = proxy.round_trips();
            service.change(&crowd[number % 2], &body(number)).await.expect(200);
            one = one.min(proxy.round_trips() - before);
        }
        // BEGIN, the rows, what is written, COMMIT.
        assert!((1..=4).contains(&one), "{one} round trips");
        let body = body(9);
        proxy.delay(Duration::from_millis(100));
        let before = proxy.round_trips();
        for reply in join_all(crowd[1..].iter().map(|person| service.change(person, &body))).await {
            reply.expect(200);
        }
        // On each of two threads the first changes that come make a batch of their own, those that come meanwhile the
        // next.
        let many = proxy.round_trips() - before;
        assert!(many <= 6 * one, "{many} round trips for 64 changes, {one} for one");
    })
    .await;
}

#[actix_rt::test]
async fn one_connection_that_is_left_serves_everybody() {
    run(Backend::Postgres, async |app: App| {
        let role = format!("scarce_{}", app.number("SELECT CAST(random() * 1e9 AS BIGINT) AS value"));
        app.execute(&format!(
            "CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA public TO {role};
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
        ));
        let mut url: url::Url = app.database_url().parse().expect("a URL");
        url.set_username(&role).expect("a URL with a user");
        let service =
            app.instance(&[("DATABASE_URL", url.as_str()), ("CLIENTELE__DATABASE__QUEUE_TIMEOUT_SECONDS", "30")]);
        let crowd = app.crowd(32);
        for day in 1..=5 {
            let body = birthday(day);
            let changes = crowd.iter().map(|person| service.change(person, &body));
            for reply in join_all(changes).await {
                reply.expect(200);
            }
        }
        // Reads, updates and the rest each want the only connection.
        let mixed = crowd.iter().map(|person| async {
            service.change(person, &birthday(6)).await.expect(200);
            service.show(person).await;
            service.get("/health/ready").send().await.expect(200);
        });
        join_all(mixed).await;
        let mut connection = app.connection();
        drop(service);
        connection
            .batch_execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"))
            .expect("the end of its connections");
        connection.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).expect("the end of the role");
    })
    .await;
}
