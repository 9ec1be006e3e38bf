//! `DELETE /api/v1/customers/{id}/`.

use futures_util::future::{join, join_all, join4};
use serde_json::{Value, json};

use crate::harness::{App, PASSWORD, Person, on_both_databases, registration};

const TABLES: [&str; 4] = ["customers", "addresses", "passwords", "sessions"];

fn address(city: &str) -> Value {
    json!({"address": {"street_address": "77 Juniper Close", "city": city, "country": "Peru"}})
}

/// Nothing of anybody is left in any table.
#[track_caller]
fn is_empty(app: &App) {
    assert_eq!(TABLES.map(|table| app.rows(table)), [0; 4], "rows of {TABLES:?}");
    assert_eq!(app.rows("history"), 0);
}

async fn rosa(app: &App) -> Person {
    let member = app.member("rosa@example.com").await;
    app.patch(&member, &address("Boston")).await.expect(200);
    member
}

on_both_databases! {
    async fn erasing_takes_customer_address_password_and_sessions_and_frees_the_email(app: App) {
        let member = rosa(&app).await;
        app.session_of(&member.email, PASSWORD).await;
        let reply = app.delete(&member.path()).token(&member.token).send().await.expect(204);
        assert_eq!(reply.text(), "");
        is_empty(&app);
        app.sign_in(&member.email, PASSWORD).await.problem(401, "bad_credentials");
        app.refresh(&member.refresh).await.problem(401, "session_ended");
        let again = app.register(&registration("ROSA@example.com")).await.expect(201);
        assert_eq!(again.json()["slug"], "rosa-delgado");
        assert_eq!(again.json()["address"], Value::Null);
    }

    async fn others_keep_what_they_have(app: App) {
        let (rosa, ada) = (rosa(&app).await, app.member("ada@example.com").await);
        app.patch(&ada, &address("Lima")).await.expect(200);
        app.delete("/api/v1/customers/me/").token(&rosa.token).send().await.expect(204);
        assert_eq!(TABLES.map(|table| app.rows(table)), [1; 4]);
        assert_eq!(app.profile(&ada).await.expect(200).json()["address"]["city"], "Lima");
    }

    async fn after_erasure_a_token_with_a_session_is_401_and_one_without_is_404(app: App) {
        let member = rosa(&app).await;
        let elsewhere = app.token(member.id);
        app.delete(&member.path()).token(&member.token).send().await.expect(204);
        let sessions = format!("{}sessions/", member.path());
        let password = format!("{}password/", member.path());
        let change = json!({"current_password": PASSWORD, "new_password": "another fine Passw0rd!"});
        for (token, status, code) in [(&member.token, 401, "session_ended"), (&elsewhere, 404, "not_found")] {
            app.get(&member.path()).token(token).send().await.problem(status, code);
            app.put(&member.path()).token(token).json(&address("Lima")).send().await.problem(status, code);
            app.ask(awc::http::Method::PATCH, &member.path()).token(token).json(&json!({})).send().await.problem(status, code);
            app.delete(&member.path()).token(token).send().await.problem(status, code);
            app.get(&sessions).token(token).send().await.problem(status, code);
            app.delete(&format!("{sessions}5/")).token(token).send().await.problem(status, code);
            app.post(&password).token(token).json(&change).send().await.problem(status, code);
        }
        is_empty(&app);
    }

    async fn ending_all_sessions_of_an_erased_customer_is_401_or_404_too(app: App) {
        let member = rosa(&app).await;
        let elsewhere = app.token(member.id);
        app.delete(&member.path()).token(&member.token).send().await.expect(204);
        let sessions = format!("{}sessions/", member.path());
        app.delete(&sessions).token(&member.token).send().await.problem(401, "session_ended");
        app.delete(&sessions).token(&elsewhere).send().await.problem(404, "not_found");
    }

    async fn if_match_guards_an_erasure(app: App) {
        let member = rosa(&app).await;
        let erase = |condition: &str| app.delete(&member.path()).token(&member.token).header("If-Match", condition).send();
        erase("\"1\"").await.problem(412, "version_mismatch");
        erase("W/\"2\"").await.problem(412, "version_mismatch");
        erase("nonsense").await.problem(400, "malformed_header");
        assert_eq!(TABLES.map(|table| app.rows(table)), [1; 4]);
        erase("\"1\", \"2\"").await.expect(204);
        erase("*").await.problem(401, "session_ended");
        is_empty(&app);
    }

    async fn an_erasure_racing_with_updates_leaves_nothing_behind(app: App) {
        for round in 0..12 {
            let member = app.member("rosa@example.com").await;
            let elsewhere = app.token(member.id);
            let bodies: Vec<Value> = (0..8).map(|number| address(&format!("Town {number}"))).collect();
            let puts = bodies.iter().enumerate().map(|(number, body)| {
                let token = if number % 2 == 0 { &member.token } else { &elsewhere };
                app.put(&member.path()).token(token).json(body).send()
            });
            let erase = app.delete(&member.path()).token(&member.token).send();
            let (erased, replies) = match round % 2 {
                0 => join(erase, join_all(puts)).await,
                _ => {
                    let (replies, erased) = join(join_all(puts), erase).await;
                    (erased, replies)
                }
            };
            erased.expect(204);
            for reply in replies {
                match reply.status() {
                    200 => {}
                    401 => drop(reply.problem(401, "session_ended")),
                    _ => drop(reply.problem(404, "not_found")),
                }
            }
            is_empty(&app);
        }
    }

    async fn an_erasure_racing_with_sign_ins_refreshes_and_password_changes_leaves_nothing_behind(app: App) {
        for _ in 0..8 {
            let member = app.member("rosa@example.com").await;
            let path = format!("{}password/", member.path());
            let change = json!({"current_password": PASSWORD, "new_password": "another fine Passw0rd!"});
            let elsewhere = app.token(member.id);
            let sign_ins = join_all((0..4).map(|_| app.sign_in(&member.email, PASSWORD)));
            let refresh = app.refresh(&member.refresh);
            let changing = app.post(&path).token(&member.token).json(&change).send();
            let erase = app.delete(&member.path()).token(&elsewhere).send();
            let (sign_ins, refreshed, changed, erased) = join4(sign_ins, refresh, changing, erase).await;
            erased.expect(204);
            for reply in sign_ins {
                assert!([200, 401].contains(&reply.status()), "{}", reply.text());
            }
            assert!([200, 401].contains(&refreshed.status()), "{}", refreshed.text());
            assert!([204, 401].contains(&changed.status()), "{}", changed.text());
            is_empty(&app);
        }
    }

    async fn of_many_erasures_at_once_one_succeeds(app: App) {
        let member = rosa(&app).await;
        let replies = join_all((0..20).map(|_| app.delete(&member.path()).token(&member.token).send())).await;
        let erased = replies.iter().filter(|reply| reply.status() == 204).count();
        assert_eq!(erased, 1);
        for reply in replies.iter().filter(|reply| reply.status() != 204) {
            reply.problem(401, "session_ended");
        }
        is_empty(&app);
    }
}
