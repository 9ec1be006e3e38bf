//! PostgreSQL's disk is full, then has room again: 503 meanwhile, no restart.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use serde_json::json;

use crate::harness::{
    App, Backend, Binary, Cluster, Database, Person, Volume, connect, newest_server, registration, run_on,
};

/// Longer than a full disk is remembered.
const A_MOMENT: Duration = Duration::from_secs(2);

/// Puts the customers and their addresses on another disk.
fn move_tables(cluster: &Cluster, database: &str, place: &Path) {
    let sql = format!("CREATE TABLESPACE small LOCATION '{}'", place.display());
    connect(cluster.admin_url()).batch_execute(&sql).expect("a tablespace");
    let sql = "ALTER TABLE customers SET TABLESPACE small; ALTER TABLE addresses SET TABLESPACE small";
    connect(&cluster.url(database)).batch_execute(sql).expect("tables elsewhere");
}

/// Changes that need room: a new row has no place in the old page.
async fn change_all(app: &App, crowd: &[Person], text: &str) -> Vec<u16> {
    let address = json!({"street_address": text.repeat(120), "city": text.repeat(90), "country": "Peru"});
    let body = json!({"last_name": text.repeat(140), "address": address});
    let replies = futures_util::future::join_all(crowd.iter().map(|person| app.change(person, &body))).await;
    let status = |reply: &crate::harness::Reply| {
        if reply.status() != 200 {
            reply.problem(503, "database_unavailable");
        }
        reply.status()
    };
    replies.iter().map(status).collect()
}

async fn a_full_disk_is_503_and_goes_on_by_itself(language: Option<&'static str>, role: &str) {
    let cluster = Cluster::speaking(language, newest_server().expect("PostgreSQL"), "").expect("PostgreSQL");
    let disk = Volume::for_postgres(8 * 1024 * 1024);
    let roles = "CREATE ROLE shop LOGIN; CREATE DATABASE shop OWNER shop";
    for statement in roles.split(';') {
        connect(cluster.admin_url()).batch_execute(statement).expect("a role and its database");
    }
    let url = cluster.url("shop").replacen("postgres@", &format!("{role}@"), 1);
    run_on(Database::elsewhere(Backend::Postgres, url.clone()), async |app: App| {
        let crowd = app.crowd(100);
        move_tables(&cluster, "shop", disk.path());
        change_all(&app, &crowd, "a").await;
        let filler = disk.fill();
        let texts = ["b", "c", "d", "e", "f", "g", "h", "i"];
        for text in texts {
            change_all(&app, &crowd, text).await;
        }
        // Some pages have room for a while. What is refused is told by the readiness, until a change finds room.
        let mut is_told = false;
        for (person, text) in crowd.iter().zip(["j", "k", "l", "m"].into_iter().cycle()) {
            if change_all(&app, std::slice::from_ref(person), text).await == [503] {
                app.get("/health/ready").send().await.problem(503, "database_unavailable");
                is_told = true;
                break;
            }
        }
        assert!(is_told, "the disk is not full");
        app.show(&crowd[0]).await;
        let mut registered = app.register(&registration("rosa@example.com")).await;
        for number in 0..100 {
            if registered.status() != 201 {
                break;
            }
            registered = app.register(&registration(&format!("rosa{number}@example.com"))).await;
        }
        registered.problem(503, "database_unavailable");
        let import = (0..200).map(|number| registration(&format!("import{number}@example.com")));
        let lines: Vec<String> = import
            .map(|mut line| {
                line.as_object_mut().expect("an object").remove("password");
                line.to_string()
            })
            .collect();
        let import = Binary::on(&url).run_with(&["customer", "import", "-"], &lines.join("\n"));
        assert!(import.code == Some(1) && import.err.contains("takes no changes"), "{import:?}");
        std::fs::remove_file(filler).expect("room");
        actix_rt::time::sleep(A_MOMENT).await;
        assert!(change_all(&app, &crowd, "z").await.iter().all(|status| *status == 200), "it goes on");
        app.register(&registration("after@example.com")).await.expect(201);
        app.get("/health/ready").send().await.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn a_full_disk_of_postgresql_is_503_and_goes_on_by_itself() {
    a_full_disk_is_503_and_goes_on_by_itself(None, "postgres").await;
}

#[actix_rt::test]
async fn a_full_disk_of_a_postgresql_that_speaks_german_is_503_and_goes_on_by_itself() {
    a_full_disk_is_503_and_goes_on_by_itself(Some("de_DE"), "shop").await;
}
