//! PostgreSQL that answers and takes no changes: a standby, or a database that an administrator made read-only.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use serde_json::json;

use crate::harness::{App, Backend, Binary, Cluster, Database, Person, run, run_on};

/// Several times what a recovery takes.
const IN_TIME: Duration = Duration::from_secs(40);

/// Reads are answered, changes are not, and the readiness says so.
async fn only_reads(app: &App, john: &Person) {
    app.show(john).await;
    for _ in 0..2 {
        app.change(john, &json!({"last_name": "Never"})).await.problem(503, "database_unavailable");
        let reply = app.get("/health/ready").send().await;
        reply.problem(503, "database_unavailable");
        assert!(reply.header("retry-after").is_some());
    }
    app.get("/health/live").send().await.expect(200);
}

async fn becomes_ready(app: &App) {
    let patience = Instant::now();
    while app.get("/health/ready").send().await.status() != 200 {
        assert!(patience.elapsed() < IN_TIME);
        actix_rt::time::sleep(Duration::from_millis(100)).await;
    }
}

#[actix_rt::test]
async fn a_database_that_is_made_read_only_is_told_by_the_readiness_until_it_is_not() {
    run(Backend::Postgres, async |app: App| {
        let john = app.john();
        let serving = Binary::on(app.database_url()).serve();
        let service = app.at(serving.address);
        service.change(&john, &json!({"last_name": "Before"})).await.expect(200);
        let name = app.texts("SELECT current_database()::text AS value").remove(0);
        // Sessions keep the default that they began with.
        let end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        app.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on; {end_sessions}"));
        only_reads(&service, &john).await;
        serving.logged("read-only").await;
        let mut administrator = app.connection();
        for statement in ["SET default_transaction_read_only = off", &format!("ALTER DATABASE {name} RESET ALL")] {
            administrator.batch_execute(statement).expect("an administrator's statement");
        }
        becomes_ready(&service).await;
        service.change(&john, &json!({"last_name": "After"})).await.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn a_standby_is_not_ready_until_it_is_promoted() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let john = app.john();
        app.change(&john, &json!({"last_name": "Before"})).await.expect(200);
        let folder = app.texts("SELECT setting AS value FROM pg_settings WHERE name = 'data_directory'").remove(0);
        cluster.control(&["stop", "-m", "fast"]).expect("pg_ctl stops it");
        std::fs::write(format!("{folder}/standby.signal"), "").expect("a file that makes it a standby of nobody");
        cluster.control(&["restart"]).expect("pg_ctl restarts it");
        actix_rt::time::sleep(Duration::from_secs(2)).await;
        only_reads(&app, &john).await;
        cluster.control(&["promote"]).expect("pg_ctl promotes it");
        becomes_ready(&app).await;
        app.change(&john, &json!({"last_name": "After"})).await.expect(200);
        app.get("/health/ready").send().await.expect(200);
    })
    .await;
}
