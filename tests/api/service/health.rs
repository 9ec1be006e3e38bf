//! Liveness and readiness.

use crate::harness::on_both_databases;

on_both_databases! {
    async fn a_service_with_its_database_is_live_and_ready(app: App) {
        for path in ["/health/live", "/health/ready"] {
            let reply = app.get(path).send().await.expect(200);
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        }
    }

    async fn a_service_with_a_pending_migration_is_live_and_not_ready(app: App) {
        let empty = app.empty_database();
        let waiting = app.instance(&[("DATABASE_URL", &empty.url), ("CLIENTELE__DATABASE__MIGRATE_AT_START", "false")]);
        waiting.get("/health/live").send().await.expect(200);
        let reply = waiting.get("/health/ready").send().await;
        reply.problem(503, "database_unavailable");
        assert!(reply.header("retry-after").is_some());
        clientele::db::migrate(&mut crate::harness::connect(&empty.url)).expect("the migrations run");
        waiting.get("/health/ready").send().await.expect(200);
    }
}
