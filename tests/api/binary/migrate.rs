//! `clientele migrate run|revert|status`

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::harness::{App, Backend, Binary, Cluster, Database, connect, on_both_databases, raw, registration};

/// A database without any table that is there: commands that look make no file.
fn empty_database(app: &App) -> Database {
    let empty = app.empty_database();
    if let Some(path) = empty.url.strip_prefix("sqlite://") {
        std::fs::write(path, "").expect("an empty file");
    }
    empty
}

/// What a query names `value`.
fn names(database: &Database, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let rows = diesel::sql_query(sql).load::<Row>(&mut connect(&database.url)).expect("names");
    rows.into_iter().map(|row| row.value).collect()
}

on_both_databases! {
    async fn migrate_run_applies_all_and_revert_takes_back_one(app: App) {
        let empty = empty_database(&app);
        let binary = Binary::on(&empty.url);
        let before = binary.run(&["migrate", "status"]);
        assert_eq!(before.code, Some(1), "{before:?}");
        let known = before.out.lines().count();
        assert!(before.out.lines().all(|line| line.starts_with("pending ")), "{before:?}");

        assert_eq!(binary.run(&["migrate", "run"]).done().lines().count(), known);
        let after = binary.run(&["migrate", "status"]);
        assert!(after.done().lines().all(|line| line.starts_with("applied ")), "{after:?}");
        assert_eq!(binary.run(&["migrate", "run"]).done(), "nothing to apply");

        let last = after.done().lines().last().and_then(|line| line.strip_prefix("applied ")).expect("the last one");
        let reverted = binary.run(&["migrate", "revert"]);
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        assert_eq!(digits(reverted.done()), digits(last.split('_').next().unwrap_or_default()), "{reverted:?}");
        let status = binary.run(&["migrate", "status"]);
        assert_eq!(status.code, Some(1), "{status:?}");
        assert_eq!(status.out.lines().last(), Some(format!("pending {last}").as_str()));
        assert_eq!(status.out.lines().filter(|line| line.starts_with("pending")).count(), 1);
    }

    async fn every_migration_can_be_reverted_and_run_again(app: App) {
        let empty = empty_database(&app);
        let binary = Binary::on(&empty.url);
        for _ in 0..2 {
            let known = binary.run(&["migrate", "run"]).done().lines().count();
            for _ in 0..known {
                binary.run(&["migrate", "revert"]).done();
            }
            let status = binary.run(&["migrate", "status"]);
            assert!(status.out.lines().all(|line| line.starts_with("pending ")), "{status:?}");
        }
        binary.run(&["migrate", "revert"]).refused(1, &[]);
    }

    async fn a_database_that_is_newer_than_the_binary_is_told(app: App) {
        let binary = Binary::on(app.database_url());
        binary.run(&["migrate", "status"]).done();
        app.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000001')");
        let status = binary.run(&["migrate", "status"]);
        assert_eq!(status.code, Some(1), "{status:?}");
        assert_eq!(status.out.lines().last(), Some("unknown 29991231000001"));
        assert!(status.err.contains("newer than this version"), "{status:?}");
        let serving = binary.serve();
        raw(serving.address, b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect(200);
        serving.signal("TERM");
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.matches("29991231000001").count(), 1, "{log}");
        let check = binary.run(&["config", "check"]);
        check.done();
        assert!(check.err.contains("29991231000001"), "{check:?}");
    }

    async fn what_diesel_database_setup_applied_is_not_newer(app: App) {
        app.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000000')");
        let status = Binary::on(app.database_url()).run(&["migrate", "status"]);
        assert!(!status.done().contains("unknown"), "{status:?}");
    }

    async fn whoever_only_looks_makes_no_table(app: App) {
        let empty = empty_database(&app);
        let binary = Binary::on(&empty.url);
        for command in [&["migrate", "status"][..], &["customer", "show", "1"], &["customer", "export"]] {
            assert_eq!(binary.run(command).code, Some(1), "{command:?}");
        }
        binary.run(&["config", "check"]).done();
        let elsewhere = app.instance(&[("DATABASE_URL", &empty.url), ("CLIENTELE__DATABASE__MIGRATE_AT_START", "false")]);
        elsewhere.get("/health/ready").send().await.problem(503, "database_unavailable");
        let tables = match empty.backend {
            Backend::Postgres => "SELECT tablename::text AS value FROM pg_tables WHERE schemaname = 'public'",
            Backend::Sqlite => "SELECT name AS value FROM sqlite_master",
        };
        assert_eq!(names(&empty, tables), Vec::<String>::new());
    }

    async fn instances_that_must_not_migrate_start_beside_whoever_does(app: App) {
        // Several rounds, as a race shows itself in some of them only.
        for _ in 0..3 {
            let empty = app.empty_database();
            let binary = |_| Binary::on(&empty.url).with("CLIENTELE__DATABASE__MIGRATE_AT_START", "false");
            let starting: Vec<_> = (0..3).map(binary).map(|binary| std::thread::spawn(move || binary.serve())).collect();
            binary(0).run(&["migrate", "run"]).done();
            for thread in starting {
                let serving = thread.join().expect("an instance starts");
                let ready = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                raw(serving.address, ready).await.expect(200);
            }
        }
    }

    async fn commands_say_which_migration_is_pending_where_they_must_not_migrate(app: App) {
        let empty = empty_database(&app);
        let binary = Binary::on(&empty.url).with("CLIENTELE__DATABASE__MIGRATE_AT_START", "false");
        for command in [&["customer", "show", "1"][..], &["seed", "--customers", "1"]] {
            binary.run(command).refused(1, &["pending", "migrate run"]);
        }
        binary.run(&["migrate", "run"]).done();
        binary.run(&["seed", "--customers", "1"]).done();
    }
}

#[actix_rt::test]
async fn a_role_that_may_only_change_rows_serves_what_the_owner_migrated() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    let owner = cluster.url("postgres");
    Binary::on(&owner).run(&["migrate", "run"]).done();
    let grant = "CREATE ROLE service LOGIN;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO service";
    connect(&owner).batch_execute(grant).expect("a role");
    let binary = Binary::on(&owner.replacen("postgres@", "service@", 1));
    let serving = binary.with("CLIENTELE__DATABASE__MIGRATE_AT_START", "false").serve();
    let ready = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    raw(serving.address, ready).await.expect(200);
    let body = registration("rosa@example.com").to_string();
    let head = "POST /api/v1/customers/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    raw(serving.address, request.as_bytes()).await.expect(201);
}
