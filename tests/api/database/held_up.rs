//! Somebody's open transaction holds rows, a table or a wished-for email: its customers are told to come back, nobody
//! else waits for it.
//!
//! SQLite admits one writer at a time; what else holds it up is in `sqlite_files.rs`.

use std::time::{Duration, Instant};

use clientele::db::DbConnection;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{App, Backend, Person, run};

/// The slowest that another customer may be: five times what is promised, because the tests share their machine.
const SOON: Duration = Duration::from_millis(2500);

fn birthday() -> Value {
    json!({"date_of_birth": "1990-01-15"})
}

fn blocker(app: &App, statement: &str) -> DbConnection {
    let mut connection = app.connection();
    connection.batch_execute(&format!("BEGIN; {statement}")).expect("the lock");
    connection
}

/// Changes customers one after the other for as long as `work` takes; how long the slowest change took.
async fn slowest_beside<T>(app: &App, others: &[Person], work: impl Future<Output = T>) -> (T, Duration) {
    let mut work = std::pin::pin!(work);
    let mut slowest = Duration::ZERO;
    let mut number = 0;
    loop {
        let other = &others[number % others.len()];
        number += 1;
        let body = json!({"last_name": format!("Number {number}")});
        let started = Instant::now();
        app.change(other, &body).await.expect(200);
        slowest = slowest.max(started.elapsed());
        if let Some(done) = futures_util::future::poll_immediate(work.as_mut()).await {
            return (done, slowest);
        }
    }
}

async fn locked_rows_hold_up_no_other_customer(count: usize) {
    run(Backend::Postgres, async |app: App| {
        let crowd = app.crowd(50);
        let (locked, others) = crowd.split_at(count);
        let ids: Vec<String> = locked.iter().map(|person| person.id.to_string()).collect();
        let mut lock = blocker(&app, &format!("SELECT FROM customers WHERE id IN ({}) FOR UPDATE", ids.join(",")));
        let started = Instant::now();
        let body = birthday();
        let changes = join_all(locked.iter().map(|person| app.change(person, &body)));
        let (replies, slowest) = slowest_beside(&app, others, changes).await;
        let waited = started.elapsed();
        for reply in replies {
            reply.problem(503, "overloaded");
            assert!(reply.header("retry-after").is_some());
        }
        assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(9), "{waited:?}");
        assert!(slowest < SOON, "another customer waited {slowest:?}");
        lock.batch_execute("COMMIT").expect("the end of the locks");
        for person in locked {
            app.change(person, &body).await.expect(200);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_locked_row_holds_up_no_other_customer() {
    locked_rows_hold_up_no_other_customer(1).await;
}

#[actix_rt::test]
async fn ten_locked_rows_hold_up_no_other_customer() {
    locked_rows_hold_up_no_other_customer(10).await;
}

#[actix_rt::test]
async fn forty_locked_rows_hold_up_no_other_customer() {
    locked_rows_hold_up_no_other_customer(40).await;
}

#[actix_rt::test]
async fn a_row_that_is_locked_for_a_moment_costs_nobody_an_error_and_keeps_the_order() {
    run(Backend::Postgres, async |app: App| {
        let john = app.john();
        let mut lock = blocker(&app, "SELECT FROM customers WHERE id = 123 FOR UPDATE");
        let names: Vec<Value> = (1..=5).map(|number| json!({"first_name": format!("Name {number}")})).collect();
        let changes = join_all(names.iter().map(|body| app.change(&john, body)));
        let unlock = async {
            actix_rt::time::sleep(Duration::from_millis(500)).await;
            lock.batch_execute("COMMIT").expect("the end of the lock");
        };
        let (replies, ()) = futures_util::future::join(changes, unlock).await;
        for reply in replies {
            reply.expect(200);
        }
        assert_eq!(app.etag(&john).await, "\"6\"");
        assert_eq!(app.show(&john).await["first_name"], "Name 5");
    })
    .await;
}

#[actix_rt::test]
async fn a_locked_table_is_503_for_all_and_over_when_the_lock_is() {
    run(Backend::Postgres, async |app: App| {
        let crowd = app.crowd(20);
        let mut lock = blocker(&app, "LOCK TABLE customers IN EXCLUSIVE MODE");
        let body = birthday();
        let started = Instant::now();
        for reply in join_all(crowd.iter().map(|person| app.change(person, &body))).await {
            reply.problem(503, "overloaded");
        }
        assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
        // Reading goes on.
        app.show(&crowd[0]).await;
        lock.batch_execute("COMMIT").expect("the end of the lock");
        for reply in join_all(crowd.iter().map(|person| app.change(person, &body))).await {
            reply.expect(200);
        }
    })
    .await;
}

#[actix_rt::test]
async fn an_email_that_an_open_transaction_claims_holds_up_whoever_wants_it_alone() {
    run(Backend::Postgres, async |app: App| {
        let (john, _, others) = (app.john(), app.jane(), app.crowd(10));
        let claim =
            "UPDATE customers SET email = 'new@example.com', email_canonical = 'new@example.com' WHERE id = 124";
        let mut lock = blocker(&app, claim);
        let body = json!({"email": "new@example.com"});
        let change = app.change(&john, &body);
        let (reply, slowest) = slowest_beside(&app, &others, change).await;
        reply.problem(503, "overloaded");
        assert!(slowest < SOON, "another customer waited {slowest:?}");
        lock.batch_execute("COMMIT").expect("the end of the claim");
        app.change(&john, &body).await.problem(409, "email_taken");
    })
    .await;
}

/// Sends changes in an order, lets go of a lock while they wait, and sends more: the last one that was sent is what
/// stays.
async fn the_last_one_stays(app: &App, john: &Person, mut lock: DbConnection, first: Value) {
    let mut bodies = vec![first];
    bodies.extend((1..=20).map(|number| json!({"last_name": format!("Number {number}")})));
    let unlock = async {
        actix_rt::time::sleep(Duration::from_millis(700)).await;
        lock.batch_execute("COMMIT").expect("the end of the lock");
    };
    let changes = bodies.iter().enumerate().map(|(number, body)| async move {
        // One after the other, over some of the time that the lock lasts.
        actix_rt::time::sleep(Duration::from_millis(50 * number as u64)).await;
        app.change(john, body).await
    });
    let (replies, ()) = futures_util::future::join(join_all(changes), unlock).await;
    for reply in &replies[1..] {
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
    assert_eq!(app.show(john).await["last_name"], "Number 20");
}

#[actix_rt::test]
async fn changes_of_a_customer_keep_their_order_behind_a_claimed_email() {
    run(Backend::Postgres, async |app: App| {
        let (john, _) = (app.john(), app.jane());
        let claim =
            "UPDATE customers SET email = 'new@example.com', email_canonical = 'new@example.com' WHERE id = 124";
        let lock = blocker(&app, claim);
        the_last_one_stays(&app, &john, lock, json!({"email": "new@example.com", "last_name": "First"})).await;
    })
    .await;
}

#[actix_rt::test]
async fn changes_of_a_customer_keep_their_order_behind_a_locked_table() {
    run(Backend::Postgres, async |app: App| {
        let john = app.john();
        let lock = blocker(&app, "LOCK TABLE customers IN EXCLUSIVE MODE");
        the_last_one_stays(&app, &john, lock, json!({"last_name": "First"})).await;
    })
    .await;
}

#[actix_rt::test]
async fn changes_of_a_customer_keep_their_order_behind_another_process_s_write_lock() {
    run(Backend::Sqlite, async |app: App| {
        let john = app.john();
        let mut lock = app.connection();
        lock.batch_execute("BEGIN IMMEDIATE").expect("the write lock");
        the_last_one_stays(&app, &john, lock, json!({"last_name": "First"})).await;
    })
    .await;
}

#[actix_rt::test]
async fn ten_emails_that_an_open_transaction_claims_hold_up_nobody_else() {
    run(Backend::Postgres, async |app: App| {
        let crowd = app.crowd(40);
        let (claimed, rest) = crowd.split_at(10);
        let (wanting, others) = rest.split_at(10);
        let claims: Vec<String> = claimed
            .iter()
            .map(|person| {
                let email = format!("new{}@example.com", person.id);
                format!("UPDATE customers SET email = '{email}', email_canonical = '{email}' WHERE id = {}", person.id)
            })
            .collect();
        let mut lock = blocker(&app, &claims.join("; "));
        let bodies: Vec<Value> =
            claimed.iter().map(|person| json!({"email": format!("new{}@example.com", person.id)})).collect();
        let changes = join_all(wanting.iter().zip(&bodies).map(|(person, body)| app.change(person, body)));
        let (replies, slowest) = slowest_beside(&app, others, changes).await;
        for reply in replies {
            reply.problem(503, "overloaded");
        }
        assert!(slowest < SOON, "another customer waited {slowest:?}");
        lock.batch_execute("COMMIT").expect("the end of the claims");
    })
    .await;
}

#[actix_rt::test]
async fn ten_locked_addresses_hold_up_no_other_customer() {
    run(Backend::Postgres, async |app: App| {
        let crowd = app.crowd(60);
        let (locked, others) = crowd.split_at(10);
        let body = |street: &str| json!({"address": {"street_address": street, "city": "Lima", "country": "Peru"}});
        let first = body("1");
        for reply in join_all(locked.iter().map(|person| app.change(person, &first))).await {
            reply.expect(200);
        }
        let mut lock = blocker(&app, "SELECT FROM addresses FOR UPDATE");
        let moved = body("2");
        let changes = join_all(locked.iter().map(|person| app.change(person, &moved)));
        let (replies, slowest) = slowest_beside(&app, others, changes).await;
        for reply in replies {
            reply.problem(503, "overloaded");
        }
        assert!(slowest < SOON, "another customer waited {slowest:?}");
        lock.batch_execute("COMMIT").expect("the end of the locks");
        app.change(&locked[0], &moved).await.expect(200);
    })
    .await;
}
