//! `/api/v1/customers/{id}/sessions/…`.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde_json::{Value, json};

use crate::harness::{App, Backend, PASSWORD, Person, on_both_databases, registration, run};

fn sessions(member: &Person) -> String {
    format!("{}sessions/", member.path())
}

async fn list(app: &App, member: &Person) -> Vec<Value> {
    let reply = app.get(&sessions(member)).token(&member.token).send().await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.json().as_array().expect("a list").clone()
}

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|session| session["id"].as_str().expect("an id")).collect()
}

on_both_databases! {
    async fn a_session_is_listed_with_its_times_user_agent_and_whether_it_is_the_current_one(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let phone = app.post("/auth/token/").header("User-Agent", "Phone/1.0 (ÄÖ)");
        let credentials = json!({"email": "rosa@example.com", "password": PASSWORD});
        // A header that is not ASCII is not shown.
        phone.json(&credentials).send().await.expect(200);
        let laptop = app.post("/auth/token/").header("User-Agent", &format!("Laptop/2.0 {}", "x".repeat(500)));
        laptop.json(&credentials).send().await.expect(200);
        let member = app.session_of("rosa@example.com", PASSWORD).await;
        let list = list(&app, &member).await;
        assert_eq!(list.len(), 3);
        for session in &list {
            let names: Vec<&String> = session.as_object().expect("an object").keys().collect();
            assert_eq!(names, ["current", "id", "last_refreshed", "started", "user_agent"].iter().collect::<Vec<_>>());
            let started = session["started"].as_str().expect("a time");
            assert!(started.starts_with("20") && started.ends_with('Z') && started.contains('T'), "{started}");
            assert_eq!(session["last_refreshed"], session["started"]);
        }
        // The newest first.
        assert_eq!(list.iter().map(|session| session["current"] == true).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(list[0]["id"], member.session());
        assert!(list[1]["user_agent"].as_str().is_some_and(|text| text.starts_with("Laptop/2.0") && text.len() == 255));
    }

    async fn a_refresh_shows_in_the_list(app: App) {
        let member = app.member("rosa@example.com").await;
        app.refresh(&member.refresh).await.expect(200);
        let list = list(&app, &member).await;
        let time = |name: &str| list[0][name].as_str().expect("a time").to_owned();
        assert!(time("last_refreshed") > time("started"), "{list:?}");
    }

    async fn a_token_without_a_session_sees_all_and_none_of_them_is_current(app: App) {
        let member = app.member("rosa@example.com").await;
        let elsewhere = Person { token: app.token(member.id), ..member.clone() };
        let list = list(&app, &elsewhere).await;
        assert_eq!(ids(&list), [member.session()]);
        assert_eq!(list[0]["current"], false);
    }

    async fn ending_one_session_ends_that_one(app: App) {
        let first = app.member("rosa@example.com").await;
        let second = app.session_of(&first.email, PASSWORD).await;
        let path = format!("{}{}/", sessions(&second), first.session());
        let reply = app.delete(&path).token(&second.token).send().await.expect(204);
        assert_eq!(reply.text(), "");
        app.profile(&first).await.problem(401, "session_ended");
        app.refresh(&first.refresh).await.problem(401, "session_ended");
        app.profile(&second).await.expect(200);
        assert_eq!(ids(&list(&app, &second).await), [second.session()]);
        app.delete(&path).token(&second.token).send().await.problem(404, "not_found");
    }

    async fn a_session_can_end_itself(app: App) {
        let member = app.member("rosa@example.com").await;
        let path = format!("/api/v1/customers/me/sessions/{}/", member.session());
        app.delete(&path).token(&member.token).send().await.expect(204);
        app.delete(&path).token(&member.token).send().await.problem(401, "session_ended");
        app.refresh(&member.refresh).await.problem(401, "session_ended");
    }

    async fn ending_all_sessions_signs_out_everywhere(app: App) {
        let first = app.member("rosa@example.com").await;
        let second = app.session_of(&first.email, PASSWORD).await;
        let other = app.member("ada@example.com").await;
        app.delete(&sessions(&first)).token(&first.token).send().await.expect(204);
        for member in [&first, &second] {
            app.profile(member).await.problem(401, "session_ended");
            app.refresh(&member.refresh).await.problem(401, "session_ended");
        }
        app.profile(&other).await.expect(200);
        app.session_of(&first.email, PASSWORD).await;
    }

    async fn a_session_of_somebody_else_or_none_is_404(app: App) {
        let (rosa, ada) = (app.member("rosa@example.com").await, app.member("ada@example.com").await);
        for id in [&ada.session(), "5", "0", "-1", "x", "01", "9007199254740993", "me"] {
            let path = format!("{}{id}/", sessions(&rosa));
            app.delete(&path).token(&rosa.token).send().await.problem(404, "not_found");
        }
        app.profile(&ada).await.expect(200);
    }

    async fn a_token_names_only_a_session_of_its_own_customer(app: App) {
        let (rosa, ada) = (app.member("rosa@example.com").await, app.member("ada@example.com").await);
        let claims = |sid: Value| crate::harness::Forgery::good(rosa.id).claim("sid", sid).sign();
        let status = async |token: String| {
            let reply = app.get(&rosa.path()).token(&token).send().await;
            reply.json()["code"].as_str().map(str::to_owned)
        };
        assert_eq!(status(claims(json!(rosa.session()))).await, None);
        assert_eq!(status(claims(json!(ada.session()))).await.as_deref(), Some("session_ended"));
        assert_eq!(status(claims(json!("5"))).await.as_deref(), Some("session_ended"));
        for bad in [json!(""), json!("x"), json!("0"), json!(5), json!("-5"), json!([])] {
            assert_eq!(status(claims(bad.clone())).await.as_deref(), Some("token_invalid"), "{bad}");
        }
    }

    async fn changes_of_sessions_do_not_move_the_version(app: App) {
        let member = app.member("rosa@example.com").await;
        let second = app.session_of(&member.email, PASSWORD).await;
        app.refresh(&second.refresh).await.expect(200);
        let change = json!({"current_password": PASSWORD, "new_password": "another fine Passw0rd!"});
        let path = format!("{}password/", member.path());
        app.post(&path).token(&member.token).json(&change).send().await.expect(204);
        app.session_of(&member.email, "another fine Passw0rd!").await;
        assert_eq!(app.profile(&member).await.header("etag"), Some("\"1\""));
        let unchanged = app.get(&member.path()).token(&member.token).header("If-None-Match", "\"1\"");
        unchanged.send().await.expect(304);
    }

    async fn a_customer_has_250_sessions_and_one_more_ends_the_oldest(app: App) {
        let member = app.member("rosa@example.com").await;
        let rows: Vec<String> = (1..=300)
            .map(|number| {
                let moment = format!("'2026-01-01 00:{:02}:{:02}'", number / 60, number % 60);
                format!("({number}, {}, 1, {moment}, '2999-01-01 00:00:00', '2999-01-01 00:00:00')", member.id)
            })
            .collect();
        let columns = "id, customer_id, counter, started_at, refreshed_at, ends_at";
        app.execute(&format!("INSERT INTO sessions ({columns}) VALUES {}", rows.join(", ")));
        let newest = app.session_of(&member.email, PASSWORD).await;
        assert_eq!(app.rows("sessions"), 250);
        let listed = list(&app, &newest).await;
        assert_eq!((listed.len(), listed[0]["current"].as_bool()), (250, Some(true)));
        assert!(ids(&listed).contains(&member.session().as_str()));
        assert!(!ids(&listed).contains(&"52") && ids(&listed).contains(&"53"));
    }

    async fn twenty_sessions_live_beside_each_other(app: App) {
        let member = app.member("rosa@example.com").await;
        for _ in 0..19 {
            app.session_of(&member.email, PASSWORD).await;
        }
        let all = list(&app, &member).await;
        assert_eq!(all.len(), 20);
        assert_eq!(all.last().map(|session| &session["current"]), Some(&json!(true)));
    }
}

#[derive(QueryableByName)]
struct Reading {
    #[diesel(sql_type = BigInt)]
    writes: i64,
    #[diesel(sql_type = BigInt)]
    sessions: i64,
}

/// Rows of `customers` written and rows of `sessions` read so far, as PostgreSQL counts them.
fn reading(app: &App) -> Reading {
    let counters = diesel::sql_query(
        "SELECT c.n_tup_upd AS writes, s.seq_tup_read + i.read AS sessions
         FROM pg_stat_user_tables c, pg_stat_user_tables s,
            (SELECT SUM(idx_tup_read)::bigint AS read FROM pg_stat_user_indexes WHERE relname = 'sessions') i
         WHERE c.relname = 'customers' AND s.relname = 'sessions'",
    );
    counters.get_result(&mut app.connection()).expect("counters")
}

/// A plan that was made while the table was empty serves for good, and must not read all of it when it is full.
#[actix_rt::test]
async fn neither_an_update_nor_a_read_looks_at_other_sessions() {
    run(Backend::Postgres, async |app: App| {
        app.connection().batch_execute("VACUUM ANALYZE").expect("statistics of empty tables");
        let john = app.john();
        app.change(&john, &json!({"first_name": "Plan"})).await.expect(200);
        app.show(&john).await;
        let member = app.member("rosa@example.com").await;
        let sessions = "INSERT INTO sessions (id, customer_id, counter, started_at, refreshed_at, ends_at)
            SELECT number, 123, 1, now(), now(), now() + INTERVAL '1 day' FROM generate_series(1, 1000) number";
        app.connection().batch_execute(sessions).expect("a thousand sessions");
        let change_and_show = async |name: String| {
            let ask = app.put(&member.path()).token(&member.token);
            ask.json(&json!({"first_name": name})).send().await.expect(200);
            app.get(&member.path()).token(&member.token).send().await.expect(200);
        };
        for number in 0..5 {
            change_and_show(format!("Name {number}")).await;
        }
        // A server process tells its counters after a statement, if it did not do so within the last second.
        actix_rt::time::sleep(Duration::from_millis(1100)).await;
        change_and_show("Counters".into()).await;
        let mut seen = reading(&app);
        for _ in 0..100 {
            if seen.writes >= 5 {
                break;
            }
            actix_rt::time::sleep(Duration::from_millis(50)).await;
            seen = reading(&app);
        }
        assert!(seen.writes >= 5, "{} rows of customers written", seen.writes);
        assert!(seen.sessions < 100, "{} rows of sessions read", seen.sessions);
    })
    .await;
}
