//! A stop while the database hangs: the process ends in time all the same.

use std::process::Command;
use std::time::{Duration, Instant};

use clientele::db::DbConnection;
use diesel::connection::SimpleConnection;
use futures_util::future::{join_all, join3};
use serde_json::json;

use super::signals::{SOON, STOPS};
use crate::harness::{App, Backend, Binary, Cluster, Database, Frozen, connect, run_on};

/// Holds up all changes, until it is dropped.
enum Hold {
    Sqlite { _locked: DbConnection },
    Postgres { _frozen: Frozen },
}

/// Runs a test with a database that can be held up: PostgreSQL by freezing it, SQLite by a lock.
async fn with_hold(backend: Backend, test: impl AsyncFnOnce(App, &dyn Fn() -> Hold)) {
    match backend {
        Backend::Sqlite => {
            let database = Database::migrated(backend);
            let url = database.url.clone();
            run_on(database, async |app: App| {
                let hold = || {
                    let mut locked = connect(&url);
                    locked.batch_execute("BEGIN IMMEDIATE").expect("the lock");
                    Hold::Sqlite { _locked: locked }
                };
                test(app, &hold).await;
            })
            .await;
        }
        Backend::Postgres => {
            let cluster = Cluster::throwaway().expect("PostgreSQL");
            run_on(Database::elsewhere(backend, cluster.url("postgres")), async |app: App| {
                test(app, &|| Hold::Postgres { _frozen: Frozen::server(&cluster) }).await;
            })
            .await;
        }
    }
}

/// A stop while the database does nothing: in time, with a reply for everybody, and nothing lost.
async fn stops_while_the_database_hangs(backend: Backend) {
    with_hold(backend, async |app, hold| {
        let crowd = app.crowd(20);
        for signal in STOPS {
            let binary = Binary::on(app.database_url()).with("CLIENTELE__SERVER__SHUTDOWN_TIMEOUT_SECONDS", "2");
            let serving = binary.serve();
            let service = app.at(serving.address);
            let (kept, lost) = (json!({"last_name": format!("Kept by {signal}")}), json!({"last_name": "Lost"}));
            for person in &crowd {
                service.change(person, &kept).await.expect(200);
            }
            let held = hold();
            let changes = join_all(crowd.iter().map(|person| service.change(person, &lost)));
            let reads = join_all(crowd.iter().map(|person| service.get(&person.path()).token(&person.token).send()));
            let ends = async {
                actix_rt::time::sleep(Duration::from_millis(500)).await;
                let started = Instant::now();
                serving.signal(signal);
                let waiting = actix_rt::task::spawn_blocking(move || serving.wait());
                let (code, log) = waiting.await.expect("its end");
                assert_eq!(code, Some(0), "{log}");
                assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
            };
            let (changes, reads, ()) = join3(changes, reads, ends).await;
            for reply in changes {
                assert_eq!(reply.status(), 503, "{}", reply.text());
                assert!(reply.header("retry-after").is_some());
            }
            for reply in reads {
                assert!([200, 503].contains(&reply.status()), "{}", reply.text());
            }
            drop(held);
            for person in &crowd {
                // A change that was told 503 may have been applied.
                let name = app.show(person).await["last_name"].clone();
                assert!([&kept["last_name"], &lost["last_name"]].contains(&&name), "{name}");
            }
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_service_ends_in_time_while_sqlite_is_locked() {
    stops_while_the_database_hangs(Backend::Sqlite).await;
}

#[actix_rt::test]
async fn a_service_ends_in_time_while_postgresql_is_frozen() {
    stops_while_the_database_hangs(Backend::Postgres).await;
}

#[actix_rt::test]
async fn a_start_that_waits_for_the_database_can_be_ended() {
    for signal in STOPS {
        let database = Database::empty(Backend::Sqlite);
        let mut locked = connect(&database.url);
        locked.batch_execute("BEGIN IMMEDIATE").expect("the lock");
        let mut child = Binary::on(&database.url).start(&["serve"]);
        actix_rt::time::sleep(Duration::from_millis(1000)).await;
        assert!(child.try_wait().expect("its state").is_none(), "it does not wait");
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.expect("kill").success());
        let started = Instant::now();
        while child.try_wait().expect("its state").is_none() {
            assert!(started.elapsed() < SOON, "it does not end");
            actix_rt::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
