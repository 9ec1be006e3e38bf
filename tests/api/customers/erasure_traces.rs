//! After an erasure no file of the database holds what the customer was called and where they lived.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::Integer;
use serde_json::json;

use crate::harness::{App, Backend, Binary, PASSWORD, Person, on_both_databases, registration};

/// What must not be found; each stands in no other place of a test's database.
const TRACES: [&str; 6] = ["xenophon", "quillfeather", "mail.example", "juniper close", "zwettl", "phone/77"];

async fn xenophon(app: &App) -> Person {
    let mut body = registration("Xenophon@mail.example");
    body["first_name"] = json!("Xenophon");
    body["last_name"] = json!("Quillfeather");
    body["address"] = json!({"street_address": "77 Juniper Close", "city": "Zwettl", "country": "Austria"});
    app.register(&body).await.expect(201);
    let credentials = json!({"email": "xenophon@mail.example", "password": PASSWORD});
    app.post("/auth/token/").header("User-Agent", "Phone/77").json(&credentials).send().await.expect(200);
    let member = app.session_of("xenophon@mail.example", PASSWORD).await;
    // Moved around, so that earlier values lie about too.
    for number in 0..30 {
        let filler = "x".repeat(4 * number);
        let change = json!({"last_name": format!("Quillfeather {filler}"), "address": {"street_address": format!("77 Juniper Close {filler}")}});
        app.patch(&member, &change).await.expect(200);
    }
    member
}

/// The traces that the database holds, in whatever it keeps.
fn found(app: &App) -> Vec<&'static str> {
    let text = match app.backend() {
        Backend::Sqlite => {
            empty_the_log(app);
            bytes(&files(app))
        }
        Backend::Postgres => columns(app),
    };
    TRACES.into_iter().filter(|trace| text.contains(trace)).collect()
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// The service checkpoints at the same time, and only one can.
fn empty_the_log(app: &App) {
    let mut connection = app.connection();
    let truncated = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let rows = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").load::<Checkpoint>(&mut connection);
        rows.is_ok_and(|rows| rows.iter().all(|row| row.busy == 0))
    });
    assert!(truncated, "the log stays busy");
}

/// The database's file and those beside it.
fn files(app: &App) -> Vec<PathBuf> {
    let path = Path::new(app.database_url().strip_prefix("sqlite://").expect("a SQLite URL"));
    let folder = path.parent().expect("a folder").read_dir().expect("the database's folder");
    folder.map(|entry| entry.expect("an entry").path()).collect()
}

fn bytes(files: &[PathBuf]) -> String {
    assert!(!files.is_empty());
    let all: Vec<u8> = files.iter().flat_map(|path| std::fs::read(path).expect("a file of the database")).collect();
    String::from_utf8_lossy(&all).to_lowercase()
}

/// Every row of every table, as text.
fn columns(app: &App) -> String {
    let tables = app.texts("SELECT tablename::text AS value FROM pg_tables WHERE schemaname = 'public'");
    assert!(tables.len() >= 4, "{tables:?}");
    tables
        .iter()
        .flat_map(|table| app.texts(&format!("SELECT t::text AS value FROM {table} t")))
        .collect::<String>()
        .to_lowercase()
}

on_both_databases! {
    async fn an_erasure_leaves_no_trace_in_the_database(app: App) {
        let bystanders = app.crowd(50);
        let member = xenophon(&app).await;
        // The search is one that finds.
        assert_eq!(found(&app), TRACES);
        app.delete(&member.path()).token(&member.token).send().await.expect(204);
        assert_eq!(found(&app), Vec::<&str>::new());
        assert_eq!(app.show(&bystanders[7]).await["last_name"], "Number 7");
    }

    async fn an_erasure_by_the_operator_leaves_no_trace_either(app: App) {
        let member = xenophon(&app).await;
        let finished = Binary::on(app.database_url()).run(&["customer", "erase", &member.id.to_string()]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(!TRACES.iter().any(|trace| finished.err.to_lowercase().contains(trace)), "{finished:?}");
        assert_eq!(found(&app), Vec::<&str>::new());
        app.profile(&member).await.problem(401, "session_ended");
    }

    async fn what_a_customer_replaced_leaves_no_trace_either(app: App) {
        let member = xenophon(&app).await;
        let other = json!({"email": "other@example.com", "first_name": "Other", "last_name": "Person", "address": null});
        app.patch(&member, &other).await.expect(200);
        app.delete("/api/v1/customers/me/sessions/").token(&member.token).send().await.expect(204);
        // The history keeps the user agent until the row is old or the customer is erased.
        assert_eq!(found(&app), ["phone/77"]);
        app.delete(&member.path()).token(&app.token(member.id)).send().await.expect(204);
        assert_eq!(found(&app), Vec::<&str>::new());
    }
}
