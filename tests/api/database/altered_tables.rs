//! An administrator alters the tables beside the running service: what had been prepared for them no longer fits, and
//! no client hears of it.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::harness::{App, Backend, Person, run};

/// Each with what takes it back.
const TYPES: [&str; 2] = [
    "ALTER TABLE customers ALTER COLUMN first_name TYPE VARCHAR(150), ALTER COLUMN email TYPE VARCHAR(300);
     ALTER TABLE addresses ALTER COLUMN city TYPE VARCHAR(150);
     ALTER TABLE passwords ALTER COLUMN hash TYPE VARCHAR(300);
     ALTER TABLE sessions ALTER COLUMN user_agent TYPE VARCHAR(300)",
    "ALTER TABLE customers ALTER COLUMN first_name TYPE TEXT, ALTER COLUMN email TYPE TEXT;
     ALTER TABLE addresses ALTER COLUMN city TYPE TEXT;
     ALTER TABLE passwords ALTER COLUMN hash TYPE TEXT;
     ALTER TABLE sessions ALTER COLUMN user_agent TYPE TEXT",
];
const OTHERS: [&str; 4] = [
    "ALTER TABLE customers ADD COLUMN loyalty TEXT; ALTER TABLE sessions ADD COLUMN place TEXT NOT NULL DEFAULT ''",
    "DROP INDEX customers_slug_key; CREATE UNIQUE INDEX customers_slug_key ON customers (slug)",
    "CREATE INDEX ON customers (last_name); CREATE INDEX ON sessions (user_agent)",
    "ALTER TABLE customers DROP COLUMN loyalty; ALTER TABLE sessions DROP COLUMN place",
];

/// One of every kind of statement that the service keeps prepared.
async fn each_kind_of_request_succeeds(app: &App, member: &mut Person, number: usize) {
    app.profile(member).await.expect(200);
    let address = json!({"street_address": "1 Elm St", "city": format!("City {number}"), "country": "Peru"});
    app.patch(member, &json!({"address": address})).await.expect(200);
    let email = format!("rosa{number}@example.com");
    app.patch(member, &json!({"email": email, "first_name": format!("Rosa {number}")})).await.expect(200);
    member.refresh = app.refresh(&member.refresh).await.expect(200).json()["refresh"].as_str().expect("a token").into();
    app.sign_in(&email, crate::harness::PASSWORD).await.expect(200);
    app.get(&format!("{}sessions/", member.path())).token(&member.token).send().await.expect(200);
    app.member(&format!("other{number}@example.com")).await;
    app.get("/health/ready").send().await.expect(200);
}

async fn alterations_cost_no_request_an_error(alterations: &'static [&str]) {
    run(Backend::Postgres, async |app: App| {
        let mut member = app.member("rosa@example.com").await;
        // Often enough for each thread to have prepared each statement.
        for number in 0..4 {
            each_kind_of_request_succeeds(&app, &mut member, number).await;
        }
        for (number, alteration) in alterations.iter().enumerate() {
            app.execute(alteration);
            for again in 0..3 {
                each_kind_of_request_succeeds(&app, &mut member, 100 + 10 * number + again).await;
            }
        }
    })
    .await;
}

#[actix_rt::test]
async fn another_type_of_a_column_costs_no_request_an_error() {
    alterations_cost_no_request_an_error(&TYPES).await;
}

#[actix_rt::test]
async fn another_column_or_index_costs_no_request_an_error() {
    alterations_cost_no_request_an_error(&OTHERS).await;
}

/// Requests are under way on every thread, in batches and outside them.
#[actix_rt::test]
async fn alterations_during_a_rush_cost_no_request_an_error() {
    run(Backend::Postgres, async |app: App| {
        let crowd = app.crowd(40);
        let alter = async {
            let mut connection = app.connection();
            let alterations = [&TYPES[..], &OTHERS[..]].concat();
            let thread = std::thread::spawn(move || {
                for alteration in alterations.iter().cycle().take(12) {
                    diesel::connection::SimpleConnection::batch_execute(&mut connection, alteration).expect("altered");
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            while !thread.is_finished() {
                actix_rt::time::sleep(Duration::from_millis(10)).await;
            }
            thread.join().expect("the end of the alterations");
        };
        let rush = async {
            for round in 0..12 {
                let body = json!({"first_name": format!("Round {round}")});
                let changes = join_all(crowd.iter().map(|person| app.change(person, &body)));
                let reads = join_all(crowd.iter().map(|person| app.get(&person.path()).token(&person.token).send()));
                let (changes, reads) = join(changes, reads).await;
                for reply in changes.into_iter().chain(reads) {
                    reply.expect(200);
                }
                actix_rt::time::sleep(Duration::from_millis(50)).await;
            }
        };
        join(alter, rush).await;
    })
    .await;
}

/// As a pooler does that resets a session between two clients.
#[actix_rt::test]
async fn statements_that_were_discarded_are_prepared_again() {
    run(Backend::Postgres, async |app: App| {
        let mut member = app.member("rosa@example.com").await;
        each_kind_of_request_succeeds(&app, &mut member, 0).await;
        app.execute(
            "CREATE FUNCTION forget() RETURNS trigger AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NULL; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER forget AFTER UPDATE ON customers FOR EACH STATEMENT EXECUTE FUNCTION forget()",
        );
        for number in 1..4 {
            each_kind_of_request_succeeds(&app, &mut member, number).await;
        }
    })
    .await;
}
