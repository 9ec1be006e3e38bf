//! Ending a session works at once: the next request with its access token is refused.

use awc::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, PASSWORD, Person, on_both_databases};

const NEW: &str = "another fine Passw0rd!";

/// Every route of the owner tells that the session is over, and changes nothing.
async fn is_over(app: &App, member: &Person) {
    let own = member.path();
    let (sessions, password) = (format!("{own}sessions/"), format!("{own}password/"));
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    for ask in [
        app.get(&own),
        app.get("/api/v1/customers/me/"),
        app.ask(Method::HEAD, &own),
        app.get(&own).header("If-None-Match", "*"),
        app.put(&own).json(&json!({"first_name": "Never"})),
        app.put(&own).json(&json!({})),
        app.put(&own).header("If-Match", "\"77\"").json(&json!({"first_name": "Never"})),
        app.ask(Method::PATCH, &own).json(&json!({"address": {"city": "Nowhere"}})),
        app.delete(&own),
        app.delete(&own).header("If-Match", "*"),
        app.get(&sessions),
        app.ask(Method::HEAD, &sessions),
        app.delete(&sessions),
        app.delete(&format!("{sessions}{}/", member.session())),
        app.post(&password).json(&change),
    ] {
        let reply = ask.token(&member.token).send().await;
        assert_eq!(reply.status(), 401, "{}", reply.text());
        assert_eq!(reply.header("www-authenticate"), Some(r#"Bearer realm="customers", error="invalid_token""#));
        if !reply.text().is_empty() {
            reply.problem(401, "session_ended");
        }
    }
    app.refresh(&member.refresh).await.problem(401, "session_ended");
}

/// Two sessions of one customer: the one that will be ended, and the one that looks on.
async fn two(app: &App) -> (Person, Person) {
    let first = app.member("rosa@example.com").await;
    let second = app.session_of(&first.email, PASSWORD).await;
    (first, second)
}

async fn change_password(app: &App, member: &Person, current: &str, new: &str) -> crate::harness::Reply {
    let body = json!({"current_password": current, "new_password": new});
    app.post(&format!("{}password/", member.path())).token(&member.token).json(&body).send().await
}

on_both_databases! {
    async fn after_signing_out_the_next_request_is_401(app: App) {
        let (first, second) = two(&app).await;
        let path = format!("{}sessions/{}/", first.path(), first.session());
        app.delete(&path).token(&first.token).send().await.expect(204);
        is_over(&app, &first).await;
        app.profile(&second).await.expect(200);
    }

    async fn after_revoking_the_refresh_token_the_next_request_is_401(app: App) {
        let (first, second) = two(&app).await;
        let reply = app.post("/auth/token/revoke/").json(&json!({"refresh": first.refresh})).send().await;
        assert_eq!(reply.expect(200).text(), "");
        is_over(&app, &first).await;
        app.profile(&second).await.expect(200);
    }

    async fn after_signing_out_everywhere_the_next_request_is_401(app: App) {
        let (first, second) = two(&app).await;
        app.delete("/api/v1/customers/me/sessions/").token(&second.token).send().await.expect(204);
        is_over(&app, &first).await;
        is_over(&app, &second).await;
    }

    async fn a_password_change_ends_every_other_session_and_keeps_its_own(app: App) {
        let (first, second) = two(&app).await;
        let stranger = app.member("ada@example.com").await;
        let reply = change_password(&app, &second, PASSWORD, NEW).await.expect(204);
        assert_eq!(reply.text(), "");
        is_over(&app, &first).await;
        app.profile(&second).await.expect(200);
        app.profile(&stranger).await.expect(200);
        app.refresh(&second.refresh).await.expect(200);
        app.sign_in(&second.email, PASSWORD).await.problem(401, "bad_credentials");
        app.sign_in(&second.email, NEW).await.expect(200);
    }

    async fn a_password_change_with_a_token_without_session_ends_all(app: App) {
        let (first, second) = two(&app).await;
        let elsewhere = Person { token: app.token(first.id), ..first.clone() };
        change_password(&app, &elsewhere, PASSWORD, NEW).await.expect(204);
        is_over(&app, &first).await;
        is_over(&app, &second).await;
        app.profile(&elsewhere).await.expect(200);
    }

    async fn after_erasure_the_next_request_is_401(app: App) {
        let (first, second) = two(&app).await;
        app.delete(&first.path()).token(&second.token).send().await.expect(204);
        is_over(&app, &first).await;
        is_over(&app, &second).await;
    }

    async fn a_session_that_ended_on_one_instance_has_ended_on_every_other(app: App) {
        let elsewhere = app.instance(&[]);
        let (first, second) = two(&app).await;
        elsewhere.profile(&first).await.expect(200);
        app.delete(&format!("{}sessions/{}/", first.path(), first.session())).token(&second.token).send().await.expect(204);
        is_over(&elsewhere, &first).await;
    }

    async fn of_many_at_once_only_the_ended_are_refused(app: App) {
        let (first, second) = two(&app).await;
        app.delete(&format!("{}sessions/{}/", first.path(), first.session())).token(&second.token).send().await.expect(204);
        let mixed = (0..60).map(|number| app.profile(if number % 2 == 0 { &first } else { &second }));
        for (number, reply) in join_all(mixed).await.into_iter().enumerate() {
            match number % 2 {
                0 => drop(reply.problem(401, "session_ended")),
                _ => drop(reply.expect(200)),
            }
        }
    }

    async fn a_wrong_current_password_changes_nothing_and_is_a_field_error(app: App) {
        let (first, second) = two(&app).await;
        let incorrect = [("#/current_password", "incorrect")];
        change_password(&app, &first, "SecureP@ssw0rd124", NEW).await.fields(&incorrect);
        change_password(&app, &first, "", NEW).await.fields(&incorrect);
        // Whatever else is wrong with the body stands in the same reply.
        let both = [("#/current_password", "incorrect"), ("#/new_password", "password_weak")];
        change_password(&app, &first, "wrong", "password1").await.fields(&both);
        change_password(&app, &first, "wrong", "rosadelgado").await.fields(&both);
        for member in [&first, &second] {
            app.profile(member).await.expect(200);
        }
        app.sign_in(&first.email, PASSWORD).await.expect(200);
        // Nobody who has no password knows it.
        let legacy = app.john();
        let body = json!({"current_password": "", "new_password": NEW});
        app.post(&format!("{}password/", legacy.path())).token(&legacy.token).json(&body).send().await.fields(&incorrect);
        // An ended session is told before, whatever the password is.
        app.delete(&format!("{}sessions/", first.path())).token(&first.token).send().await.expect(204);
        change_password(&app, &first, "wrong", NEW).await.problem(401, "session_ended");
    }

    async fn a_password_change_needs_both_passwords_and_a_long_enough_new_one(app: App) {
        let member = app.member("rosa@example.com").await;
        let path = format!("{}password/", member.path());
        let post = |body| app.post(&path).token(&member.token).json(&body).send();
        post(json!({})).await.fields(&[("#/current_password", "required"), ("#/new_password", "required")]);
        post(json!({"current_password": null, "new_password": 1})).await
            .fields(&[("#/current_password", "null"), ("#/new_password", "type")]);
        post(json!({"current_password": PASSWORD, "new_password": "short"})).await.fields(&[("#/new_password", "too_short")]);
        post(json!({"current_password": PASSWORD, "new_password": NEW, "email": "x"})).await
            .fields(&[("#/email", "unknown_field")]);
    }

    async fn of_two_password_changes_at_once_one_wins_and_the_other_sign_in_is_over(app: App) {
        let (first, second) = two(&app).await;
        let (one, other) = futures_util::future::join(
            change_password(&app, &first, PASSWORD, NEW),
            change_password(&app, &second, PASSWORD, "yet another Passw0rd?"),
        ).await;
        let mut statuses = [one.status(), other.status()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 401], "{} {}", one.text(), other.text());
        let (winner, loser, password) =
            if one.status() == 204 { (&first, &second, NEW) } else { (&second, &first, "yet another Passw0rd?") };
        is_over(&app, loser).await;
        app.profile(winner).await.expect(200);
        app.sign_in(&first.email, password).await.expect(200);
    }
}
