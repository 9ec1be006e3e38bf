//! `/auth/token/refresh/` and `/auth/token/revoke/`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{App, Person, Reply, on_both_databases};

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().expect("a token").to_owned()
}

/// The token that follows; the reply is checked.
async fn child(app: &App, token: &str) -> String {
    let reply = app.refresh(token).await.expect(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let tokens = reply.json();
    assert_eq!(tokens.as_object().map(serde_json::Map::len), Some(4), "{tokens}");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    text(&tokens, "refresh")
}

/// As if the last rotation had been that long ago.
fn age(app: &App, seconds: u32) {
    let interval = match app.backend() {
        crate::harness::Backend::Sqlite => {
            format!("strftime('%Y-%m-%d %H:%M:%f', refreshed_at, '-{seconds} seconds')")
        }
        crate::harness::Backend::Postgres => format!("refreshed_at - INTERVAL '{seconds} seconds'"),
    };
    app.execute(&format!("UPDATE sessions SET refreshed_at = {interval}"));
}

async fn revoke(app: &App, token: &str) {
    let reply = app.post("/auth/token/revoke/").json(&json!({"refresh": token})).send().await.expect(200);
    assert_eq!((reply.text(), reply.header("cache-control")), ("", Some("no-store")));
}

on_both_databases! {
    async fn a_refresh_yields_new_tokens_of_the_same_session(app: App) {
        let member = app.member("rosa@example.com").await;
        let tokens = app.refresh(&member.refresh).await.expect(200).json();
        let next = Person { token: text(&tokens, "access"), refresh: text(&tokens, "refresh"), ..member.clone() };
        assert_eq!(next.session(), member.session());
        assert_ne!(next.refresh, member.refresh);
        assert_ne!(next.claims()["jti"], member.claims()["jti"]);
        app.profile(&next).await.expect(200);
        // The access token from before lives until its own end.
        app.profile(&member).await.expect(200);
        assert_eq!(app.rows("sessions"), 1);
    }

    async fn a_refresh_token_says_its_session_and_counter_and_is_the_same_on_every_instance(app: App) {
        let member = app.member("rosa@example.com").await;
        let parts: Vec<&str> = member.refresh.split('.').collect();
        assert_eq!((parts.len(), parts[0], parts[1]), (3, member.session().as_str(), "0"));
        let elsewhere = app.instance(&[]);
        let second = child(&elsewhere, &member.refresh).await;
        assert_eq!(child(&app, &member.refresh).await, second);
        let third = child(&app, &second).await;
        assert!(third.starts_with(&format!("{}.2.", member.session())), "{third}");
    }

    async fn the_previous_token_yields_the_same_child_within_ten_seconds(app: App) {
        let member = app.member("rosa@example.com").await;
        let second = child(&app, &member.refresh).await;
        for _ in 0..3 {
            assert_eq!(child(&app, &member.refresh).await, second);
        }
        age(&app, 7);
        assert_eq!(child(&app, &member.refresh).await, second);
        let third = child(&app, &second).await;
        assert_ne!(third, second);
        child(&app, &third).await;
    }

    async fn the_previous_token_ends_the_session_after_ten_seconds(app: App) {
        let member = app.member("rosa@example.com").await;
        let second = child(&app, &member.refresh).await;
        age(&app, 11);
        app.refresh(&member.refresh).await.problem(401, "session_ended");
        app.refresh(&second).await.problem(401, "session_ended");
        app.profile(&member).await.problem(401, "session_ended");
        assert_eq!(app.rows("sessions"), 0);
    }

    async fn another_network_repeats_a_rotation_once_and_ends_the_session_the_second_time(app: App) {
        let member = app.member("rosa@example.com").await;
        let app = app.instance(&[("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1")]);
        let from = async |address: &str, token: &str| {
            let ask = app.post("/auth/token/refresh/").header("X-Forwarded-For", address);
            ask.json(&json!({"refresh": token})).send().await
        };
        let next = |reply: Reply| text(&reply.expect(200).json(), "refresh");
        let (mut token, phone, home) = (member.refresh.clone(), "192.0.2.1", "198.51.100.7");
        // Each rotation allows it anew, and the network that refreshed as often as it likes.
        for _ in 0..3 {
            let child = next(from(home, &token).await);
            assert_eq!(next(from(home, &token).await), child);
            assert_eq!(next(from(phone, &token).await), child);
            assert_eq!(next(from("198.51.100.99", &token).await), child);
            token = child;
        }
        let child = next(from(phone, &token).await);
        assert_eq!(next(from(home, &token).await), child);
        from("203.0.113.1", &token).await.problem(401, "session_ended");
        from(phone, &child).await.problem(401, "session_ended");
        assert_eq!(app.rows("sessions"), 0);
    }

    async fn of_many_repetitions_at_once_from_other_networks_one_is_answered(app: App) {
        let member = app.member("rosa@example.com").await;
        let app = app.instance(&[("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1")]);
        child(&app, &member.refresh).await;
        let body = json!({"refresh": member.refresh});
        let replies = join_all((0..30).map(|number| {
            let ask = app.post("/auth/token/refresh/").header("X-Forwarded-For", &format!("203.0.{number}.1"));
            ask.json(&body).send()
        })).await;
        assert_eq!(replies.iter().filter(|reply| reply.status() == 200).count(), 1);
        assert_eq!(app.rows("sessions"), 0);
    }

    async fn a_session_from_before_networks_were_kept_goes_on(app: App) {
        let member = app.member("rosa@example.com").await;
        app.execute("UPDATE sessions SET network = NULL");
        let second = child(&app, &member.refresh).await;
        app.execute("UPDATE sessions SET network = NULL");
        assert_eq!(child(&app, &member.refresh).await, second);
        app.refresh(&member.refresh).await.problem(401, "session_ended");
    }

    async fn an_older_token_ends_the_session_at_once(app: App) {
        let member = app.member("rosa@example.com").await;
        let other = app.session_of(&member.email, crate::harness::PASSWORD).await;
        let second = child(&app, &member.refresh).await;
        let third = child(&app, &second).await;
        let reply = app.refresh(&member.refresh).await;
        reply.problem(401, "session_ended");
        assert_eq!(reply.header("www-authenticate"), Some(r#"Bearer realm="customers", error="invalid_token""#));
        app.refresh(&third).await.problem(401, "session_ended");
        app.profile(&member).await.problem(401, "session_ended");
        // Another sign-in of the same customer has nothing to do with it.
        app.profile(&other).await.expect(200);
    }

    async fn a_hundred_refreshes_of_one_token_at_once_yield_one_child(app: App) {
        let member = app.member("rosa@example.com").await;
        let replies = join_all((0..100).map(|_| app.refresh(&member.refresh))).await;
        let mut children: Vec<String> =
            replies.into_iter().map(|reply| text(&reply.expect(200).json(), "refresh")).collect();
        children.sort();
        children.dedup();
        assert_eq!(children.len(), 1, "{children:?}");
        assert_eq!(app.number("SELECT counter AS value FROM sessions"), 1);
        child(&app, &children[0]).await;
    }

    async fn an_altered_token_is_401_and_ends_nothing(app: App) {
        let member = app.member("rosa@example.com").await;
        let (body, tag) = member.refresh.rsplit_once('.').expect("a tag");
        let (session, _) = body.split_once('.').expect("a counter");
        let swapped: String = tag.chars().rev().collect();
        let mut cut = member.refresh.clone();
        cut.pop();
        for altered in [
            format!("{session}.1.{tag}"), format!("{session}1.0.{tag}"), format!("{body}.{swapped}"), format!("{body}."),
            format!("{body}.{tag}="), format!("{}x", member.refresh), member.refresh.replacen('.', " .", 1), cut,
            format!("0{}", member.refresh), body.to_owned(), String::new(), ".".into(), "..".into(),
            member.token.clone(), "ü.ü.ü".into(), "x".repeat(60_000),
        ] {
            app.refresh(&altered).await.problem(401, "token_invalid");
            revoke(&app, &altered).await;
        }
        let other_secret = app.instance(&[("CLIENTELE__AUTH__SECRET", "another secret that is as long as the first one")]);
        other_secret.refresh(&member.refresh).await.problem(401, "token_invalid");
        child(&app, &member.refresh).await;
    }

    async fn a_body_without_a_refresh_token_is_422_or_400(app: App) {
        let path = "/auth/token/refresh/";
        app.post(path).json(&json!({})).send().await.fields(&[("#/refresh", "required")]);
        app.post(path).json(&json!({"refresh": null})).send().await.fields(&[("#/refresh", "null")]);
        app.post(path).json(&json!({"refresh": 5})).send().await.fields(&[("#/refresh", "type")]);
        app.post(path).json(&json!({"refresh": "x", "token": "y"})).send().await.fields(&[("#/token", "unknown_field")]);
        for path in [path, "/auth/token/revoke/"] {
            app.post(path).text("").send().await.problem(400, "malformed_json");
            app.post(path).body("{}").send().await.problem(415, "unsupported_media_type");
        }
    }

    async fn revoking_answers_200_whatever_the_body_holds(app: App) {
        let member = app.member("rosa@example.com").await;
        for body in [
            json!({}), json!({"refresh": null}), json!({"refresh": 5}), json!({"refresh": ["x"]}), json!({"refresh": {}}),
            json!({"refresh": ""}), json!({"token": member.refresh}), json!({"refresh": member.token}),
        ] {
            let reply = app.post("/auth/token/revoke/").json(&body).send().await.expect(200);
            assert_eq!((reply.text(), reply.header("cache-control")), ("", Some("no-store")), "{body}");
        }
        app.post("/auth/token/revoke/").text(r#"{"refresh": "\ud800"}"#).send().await.expect(200);
        child(&app, &member.refresh).await;
        let known = json!({"refresh": member.refresh, "token_type_hint": "refresh_token"});
        app.post("/auth/token/revoke/").json(&known).send().await.expect(200);
        assert_eq!(app.rows("sessions"), 0);
    }

    async fn white_space_around_a_refresh_token_is_not_part_of_it(app: App) {
        let member = app.member("rosa@example.com").await;
        let mut token = member.refresh.clone();
        for (before, after) in [("", "\n"), (" ", ""), ("", "\r\n"), ("\t", " "), ("", "\u{a0}")] {
            token = child(&app, &format!("{before}{token}{after}")).await;
        }
        revoke(&app, &format!("{token}\n")).await;
        app.profile(&member).await.problem(401, "session_ended");
        assert_eq!(app.rows("sessions"), 0);
    }

    async fn a_refresh_token_is_no_access_token(app: App) {
        let member = app.member("rosa@example.com").await;
        app.get(&member.path()).token(&member.refresh).send().await.problem(401, "token_invalid");
    }

    async fn revoking_answers_200_always_and_ends_the_session(app: App) {
        let member = app.member("rosa@example.com").await;
        let second = child(&app, &member.refresh).await;
        // An older token of the session is as good for this.
        revoke(&app, &member.refresh).await;
        revoke(&app, &member.refresh).await;
        revoke(&app, &second).await;
        revoke(&app, "nonsense").await;
        app.refresh(&second).await.problem(401, "session_ended");
        app.profile(&member).await.problem(401, "session_ended");
        assert_eq!(app.rows("sessions"), 0);
    }

    async fn the_tables_hold_neither_tokens_nor_passwords(app: App) {
        let member = app.member("rosa@example.com").await;
        let second = child(&app, &member.refresh).await;
        let columns = ["sessions.user_agent", "passwords.hash", "customers.email", "customers.slug"];
        let stored = columns.iter().flat_map(|column| {
            let table = column.split('.').next().unwrap_or_default();
            app.texts(&format!("SELECT {column} AS value FROM {table}"))
        });
        let numbers = app.texts("SELECT CAST(id AS TEXT) || CAST(counter AS TEXT) AS value FROM sessions");
        let all: String = stored.chain(numbers).collect();
        for token in [&member.refresh, &second, &member.token] {
            let secret = token.rsplit('.').next().expect("a tag");
            assert!(!all.contains(secret), "{secret} is stored");
        }
        assert!(!all.contains(crate::harness::PASSWORD));
    }
}
