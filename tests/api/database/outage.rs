//! PostgreSQL goes away and comes back under a running service: 503 meanwhile, no restart, nothing lost.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, Backend, Cluster, Database, run_on};

/// Longer than a connection rests unchecked and than failures are remembered.
const A_MOMENT: Duration = Duration::from_secs(2);

fn crash(cluster: &Cluster) {
    cluster.control(&["stop", "-m", "immediate"]).expect("pg_ctl stops it");
}

/// On the same port, with the same options.
fn resume(cluster: &Cluster) {
    cluster.control(&["restart"]).expect("pg_ctl restarts it");
}

async fn is_unavailable(app: &App) {
    let john = app.person(123);
    let get = app.get(&john.path()).token(&john.token).send().await;
    let put = app.change(&john, &json!({"first_name": "Never"})).await;
    let ready = app.get("/health/ready").send().await;
    for reply in [get, put, ready] {
        reply.problem(503, "database_unavailable");
        assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 0)));
    }
    app.get("/health/live").send().await.expect(200);
}

#[actix_rt::test]
async fn an_outage_is_503_and_ends_without_a_restart() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let john = app.john();
        app.change(&john, &json!({"first_name": "Before"})).await.expect(200);
        for round in ["once", "again"] {
            crash(&cluster);
            is_unavailable(&app).await;
            is_unavailable(&app).await;
            resume(&cluster);
            actix_rt::time::sleep(A_MOMENT).await;
            assert_ne!(app.show(&john).await["first_name"], "Never");
            app.change(&john, &json!({"first_name": round})).await.expect(200);
            app.get("/health/ready").send().await.expect(200);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_restart_that_nobody_noticed_costs_no_request_an_error() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let crowd = app.crowd(20);
        let body = json!({"date_of_birth": "1990-01-15"});
        for reply in join_all(crowd.iter().map(|person| app.change(person, &body))).await {
            reply.expect(200);
        }
        crash(&cluster);
        resume(&cluster);
        actix_rt::time::sleep(A_MOMENT).await;
        let body = json!({"date_of_birth": "1990-01-16"});
        for reply in join_all(crowd.iter().map(|person| app.change(person, &body))).await {
            reply.expect(200);
        }
        for person in &crowd {
            app.get(&person.path()).token(&person.token).send().await.expect(200);
        }
    })
    .await;
}

#[actix_rt::test]
async fn who_may_is_decided_without_the_database() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let john = app.john();
        crash(&cluster);
        let strangers = "/api/v1/customers/124/";
        app.get(strangers).send().await.problem(401, "token_missing");
        app.get(strangers).token("garbage").send().await.problem(401, "token_invalid");
        app.get(strangers).token(&john.token).send().await.problem(403, "not_owner");
        app.put(strangers).token(&john.token).json(&json!({})).send().await.problem(403, "not_owner");
        app.change(&john, &json!({"nick": 1})).await.fields(&[("#/nick", "unknown_field")]);
    })
    .await;
}
