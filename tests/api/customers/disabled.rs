//! An account that the operator disabled: nobody can use it until it is enabled again.

use awc::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, Binary, PASSWORD, Person, Reply, on_both_databases};

const NEW: &str = "another fine Passw0rd!";

fn disable(app: &App, who: &str) {
    assert_eq!(Binary::on(app.database_url()).run(&["customer", "disable", who]).done(), "");
}

fn enable(app: &App, who: &str) {
    assert_eq!(Binary::on(app.database_url()).run(&["customer", "enable", who]).done(), "");
}

/// Every request of an owner with this token.
async fn every_request(app: &App, id: i64, token: &str) -> Vec<Reply> {
    let own = format!("/api/v1/customers/{id}/");
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    let asks = [
        app.get(&own),
        app.get("/api/v1/customers/me/"),
        app.get(&own).header("If-None-Match", "*"),
        app.put(&own).json(&json!({"first_name": "Never"})),
        app.put(&own).json(&json!({})),
        app.put(&own).json(&json!({"email": "never@example.com"})),
        app.ask(Method::PATCH, &own).json(&json!({"address": null})),
        app.get(&format!("{own}sessions/")),
        app.delete(&format!("{own}sessions/")),
        app.delete(&format!("{own}sessions/1/")),
        app.get(&format!("{own}history/")),
        app.get(&format!("{own}export/")),
        app.post(&format!("{own}password/")).json(&change),
        app.delete(&own).header("If-Match", "\"7\""),
        app.delete(&own),
    ];
    join_all(asks.into_iter().map(|ask| ask.token(token).send())).await
}

on_both_databases! {
    async fn a_disabled_account_is_over_at_once_for_every_token(app: App) {
        let (rosa, jane) = (app.member("rosa@example.com").await, app.member("jane@example.com").await);
        let elsewhere = app.token(rosa.id);
        disable(&app, &rosa.id.to_string());
        for token in [&rosa.token, &elsewhere] {
            for reply in every_request(&app, rosa.id, token).await {
                reply.problem(401, "session_ended");
            }
        }
        app.refresh(&rosa.refresh).await.problem(401, "session_ended");
        assert_eq!((app.rows("customers"), app.rows("sessions")), (2, 1));
        app.profile(&jane).await.expect(200);
    }

    async fn a_sign_in_is_told_after_the_right_password_only(app: App) {
        let rosa = app.member("rosa@example.com").await;
        disable(&app, "Rosa@EXAMPLE.com");
        app.sign_in("rosa@example.com", "wrong").await.problem(401, "bad_credentials");
        let refused = app.sign_in("rosa@example.com", PASSWORD).await;
        refused.problem(403, "account_disabled");
        assert_eq!(app.rows("sessions"), 0);
        app.register(&crate::harness::registration("rosa@example.com")).await.problem(409, "email_taken");
        // Both failed, in the account's history too.
        let failed = "SELECT COUNT(*) AS value FROM history WHERE kind = 'sign_in_failed'";
        assert_eq!(app.number(failed), 2);
        enable(&app, &rosa.id.to_string());
        app.profile(&rosa).await.problem(401, "session_ended");
        let again = app.session_of("rosa@example.com", PASSWORD).await;
        app.profile(&again).await.expect(200);
        app.get(&rosa.path()).token(&app.token(rosa.id)).send().await.expect(200);
    }

    async fn no_sign_in_slips_through_while_an_account_is_disabled(app: App) {
        for round in 0..4 {
            let email = format!("rosa{round}@example.com");
            let rosa = app.member(&email).await;
            let url = app.database_url().to_owned();
            let id = rosa.id.to_string();
            let disabling = actix_rt::task::spawn_blocking(move || Binary::on(&url).run(&["customer", "disable", &id]));
            let replies = join_all((0..12).map(|_| app.sign_in(&email, PASSWORD))).await;
            disabling.await.expect("the command").done();
            for reply in &replies {
                assert!([200, 403].contains(&reply.status()), "{}", reply.text());
            }
            let sessions = format!("SELECT COUNT(*) AS value FROM sessions WHERE customer_id = {}", rosa.id);
            assert_eq!(app.number(&sessions), 0, "round {round}");
            enable(&app, &rosa.id.to_string());
            app.profile(&rosa).await.problem(401, "session_ended");
        }
    }

    async fn the_history_tells_of_disabling_and_enabling_once_each(app: App) {
        let rosa = app.member("rosa@example.com").await;
        for command in ["enable", "disable", "disable", "enable", "enable"] {
            let by = ["customer", command, "rosa@example.com", "--by", "Ann"];
            Binary::on(app.database_url()).run(&by).done();
        }
        let again = app.session_of("rosa@example.com", PASSWORD).await;
        let history = app.get(&format!("{}history/", rosa.path())).token(&again.token).send().await.expect(200).json();
        let kinds: Vec<_> =
            history.as_array().expect("a list").iter().map(|entry| entry["kind"].as_str().expect("a kind")).collect();
        assert_eq!(kinds, ["sign_in", "operator", "enabled", "operator", "disabled", "sign_in", "registration"]);
        assert!(!history.to_string().contains("Ann"), "{history}");
    }

    async fn an_export_says_that_the_account_is_disabled(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let export = || Binary::on(app.database_url()).run(&["customer", "export", "--customer", "rosa@example.com"]);
        let of = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON")["disabled_at"].clone();
        assert!(of(export().done()).is_null());
        disable(&app, &rosa.id.to_string());
        assert!(of(export().done()).is_string());
    }

    async fn of_many_at_once_only_the_disabled_are_refused(app: App) {
        let members: Vec<Person> = join_all((0..6).map(|number| {
            let (app, email) = (app.clone(), format!("member{number}@example.com"));
            async move { app.member(&email).await }
        })).await;
        for member in members.iter().step_by(2) {
            disable(&app, &member.id.to_string());
        }
        let tokens: Vec<String> = members.iter().map(|member| app.token(member.id)).collect();
        let body = json!({"last_name": "Changed"});
        let puts = (0..60).map(|n| app.put(&members[n % 6].path()).token(&tokens[n % 6]).json(&body).send());
        for (number, reply) in join_all(puts).await.into_iter().enumerate() {
            match number % 2 {
                0 => drop(reply.problem(401, "session_ended")),
                _ => drop(reply.expect(200)),
            }
        }
    }
}
