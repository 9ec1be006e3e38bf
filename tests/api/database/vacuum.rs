//! After an erasure PostgreSQL's autovacuum comes soon, and leaves nothing of the row in the tables and their indexes.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use serde_json::json;

use crate::harness::{App, Backend, Cluster, Database, connect, newest_server, run_on};

/// Rows that are stored in the pages of a table: those that are there, and those that are dead.
fn stored(app: &App, table: &str) -> i64 {
    app.number(&format!(
        "SELECT COUNT(*) AS value FROM generate_series(0, pg_relation_size('{table}') / 8192 - 1) AS page,
            LATERAL heap_page_items(get_raw_page('{table}', page::int)) WHERE t_data IS NOT NULL"
    ))
}

/// Entries of an index that has one page of them.
fn entries(app: &App, index: &str) -> i64 {
    app.number(&format!("SELECT live_items::bigint + dead_items AS value FROM bt_page_stats('{index}', 1)"))
}

fn is_vacuumed(app: &App) -> bool {
    let tables = ["customers", "addresses", "passwords", "sessions", "history"];
    let indexes = ["customers_email_canonical_key", "customers_slug_key", "customers_pkey"];
    tables.iter().all(|table| stored(app, table) == app.rows(table))
        && indexes.iter().all(|index| entries(app, index) == app.rows("customers"))
}

#[actix_rt::test]
async fn what_was_erased_or_replaced_is_vacuumed_soon_however_little_it_is() {
    let programs = newest_server().expect("PostgreSQL");
    let options = "-c autovacuum=on -c autovacuum_naptime=1s";
    let cluster = Cluster::speaking(None, programs, options).expect("PostgreSQL");
    connect(cluster.admin_url()).batch_execute("CREATE EXTENSION pageinspect").expect("what looks into pages");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        app.crowd(50);
        let (rosa, jane) = (app.member("rosa@example.com").await, app.member("jane@example.com").await);
        let address = json!({"street_address": "1 Elm St", "city": "Lima", "country": "Peru"});
        app.patch(&rosa, &json!({"address": address})).await.expect(200);
        app.delete(&rosa.path()).token(&rosa.token).send().await.expect(204);
        // Moves, and ends a session.
        app.patch(&jane, &json!({"email": "other@example.com", "last_name": "Roe"})).await.expect(200);
        app.post("/auth/token/revoke/").json(&json!({"refresh": jane.refresh})).send().await.expect(200);
        assert!(!is_vacuumed(&app), "nothing is dead");
        let started = Instant::now();
        while !is_vacuumed(&app) {
            assert!(started.elapsed() < Duration::from_secs(120), "no vacuum comes");
            actix_rt::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await;
}
