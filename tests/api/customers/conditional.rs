//! Versions, entity tags and conditional requests (RFC 9110 §13).

use awc::http::Method;
use serde_json::json;

use crate::harness::{App, Person, Reply, on_both_databases};

async fn put_if_match(app: &App, john: &Person, condition: &str, first_name: &str) -> Reply {
    let ask = app.put(&john.path()).token(&john.token).header("If-Match", condition);
    ask.json(&json!({"first_name": first_name})).send().await
}

async fn get_if_none_match(app: &App, john: &Person, condition: &str) -> Reply {
    app.get(&john.path()).token(&john.token).header("If-None-Match", condition).send().await
}

on_both_databases! {
    async fn each_change_raises_the_version_by_one(app: App) {
        let john = app.john();
        assert_eq!(app.etag(&john).await, "\"1\"");
        for (body, version) in [
            (json!({"first_name": "Jon"}), "\"2\""),
            (json!({"date_of_birth": "1990-01-15"}), "\"3\""),
            (json!({"address": {"street_address": "1", "city": "B", "country": "Peru"}}), "\"4\""),
            (json!({"address": {"street_address": "1", "city": "B", "country": "Peru", "state": "X"}}), "\"5\""),
            (json!({"address": null, "last_name": "Roe"}), "\"6\""),
        ] {
            app.change(&john, &body).await.expect(200);
            assert_eq!(app.etag(&john).await, version, "{body}");
        }
    }

    async fn an_update_that_changes_nothing_makes_no_new_version(app: App) {
        let john = app.john();
        let full = json!({
            "email": "john@example.com", "first_name": "John", "last_name": "Doe", "date_of_birth": "1990-01-15",
            "address": {"street_address": "1", "city": "B", "country": "United States", "postal_code": 54321},
        });
        app.change(&john, &full).await.expect(200);
        for same in [
            full,
            json!({}),
            json!({"slug": "other"}),
            json!({"first_name": "  John "}),
            json!({"address": {"street_address": " 1", "city": "B", "country": "usa", "postal_code": "54321", "state": ""}}),
        ] {
            app.change(&john, &same).await.expect(200);
            assert_eq!(app.etag(&john).await, "\"2\"", "{same}");
        }
    }

    async fn the_reply_to_a_put_carries_no_etag(app: App) {
        let john = app.john();
        for body in [json!({"first_name": "Jon"}), json!({})] {
            let reply = app.change(&john, &body).await.expect(200);
            assert_eq!(reply.header("etag"), None);
        }
    }

    async fn if_match_lets_only_the_current_version_through(app: App) {
        let john = app.john();
        put_if_match(&app, &john, "\"1\"", "Jon").await.expect(200);
        for stale in ["\"1\"", "\"3\"", "\"02\"", "\"abc\"", "\"\"", "\"-2\"", "\"99999999999999999999\""] {
            put_if_match(&app, &john, stale, "Never").await.problem(412, "version_mismatch");
        }
        put_if_match(&app, &john, "\"2\"", "Johann").await.expect(200);
        assert_eq!(app.show(&john).await["first_name"], "Johann");
    }

    async fn a_stale_if_match_is_412_even_where_nothing_would_change(app: App) {
        let john = app.john();
        put_if_match(&app, &john, "\"7\"", "John").await.problem(412, "version_mismatch");
        put_if_match(&app, &john, "\"1\"", "John").await.expect(200);
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn if_match_takes_a_list_and_a_star(app: App) {
        let john = app.john();
        put_if_match(&app, &john, "\"7\", \"1\" ,\"abc\"", "A").await.expect(200);
        put_if_match(&app, &john, "*", "B").await.expect(200);
        put_if_match(&app, &john, "\"7\", \"8\"", "C").await.problem(412, "version_mismatch");
        let two_lines = app.put(&john.path()).token(&john.token).header("If-Match", "\"7\"").header("If-Match", "\"3\"");
        two_lines.json(&json!({"first_name": "D"})).send().await.expect(200);
        assert_eq!(app.etag(&john).await, "\"4\"");
    }

    async fn a_weak_tag_never_satisfies_if_match(app: App) {
        let john = app.john();
        put_if_match(&app, &john, "W/\"1\"", "A").await.problem(412, "version_mismatch");
        put_if_match(&app, &john, "W/\"1\", \"1\"", "B").await.expect(200);
    }

    async fn a_malformed_condition_is_400(app: App) {
        let john = app.john();
        for malformed in ["1", "\"1", "1\"", "w/\"1\"", "\"1\"\"2\"", "\"a b\"", "\"1\" x", "*, \"1\"", ",", "", "\"é\""] {
            put_if_match(&app, &john, malformed, "A").await.problem(400, "malformed_header");
            get_if_none_match(&app, &john, malformed).await.problem(400, "malformed_header");
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn if_none_match_answers_304_for_what_the_client_has(app: App) {
        let john = app.john();
        for known in ["\"1\"", "W/\"1\"", "*", "\"7\", \"1\""] {
            let reply = get_if_none_match(&app, &john, known).await.expect(304);
            assert_eq!(reply.text(), "");
            assert_eq!(reply.header("etag"), Some("\"1\""));
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            assert!(reply.header("x-request-id").is_some());
        }
        for unknown in ["\"2\"", "\"01\"", "W/\"2\"", "\"abc\""] {
            let reply = get_if_none_match(&app, &john, unknown).await.expect(200);
            assert_eq!(reply.json()["first_name"], "John");
        }
    }

    async fn head_answers_as_get_does_without_a_body(app: App) {
        let john = app.john();
        let head = app.ask(Method::HEAD, &john.path()).token(&john.token).send().await.expect(200);
        let get = app.get(&john.path()).token(&john.token).send().await.expect(200);
        assert_eq!(head.text(), "");
        for name in ["etag", "content-type", "content-length", "cache-control", "x-content-type-options"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        let unchanged = app.ask(Method::HEAD, &john.path()).token(&john.token).header("If-None-Match", "\"1\"");
        unchanged.send().await.expect(304);
    }

    async fn a_change_does_not_start_from_a_version_that_if_none_match_names(app: App) {
        let john = app.john();
        for method in [Method::PUT, Method::PATCH] {
            for condition in ["*", "\"1\"", "W/\"1\"", "\"7\", \"1\""] {
                let ask = app.ask(method.clone(), &john.path()).token(&john.token).header("If-None-Match", condition);
                ask.json(&json!({"first_name": "Never"})).send().await.problem(412, "version_mismatch");
            }
            let ask = app.ask(method.clone(), &john.path()).token(&john.token).header("If-None-Match", "1");
            ask.json(&json!({"first_name": "Never"})).send().await.problem(400, "malformed_header");
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn a_change_may_start_from_any_other_version_and_of_many_at_once_one_does(app: App) {
        let john = app.john();
        let changes = (0..20).map(|number| {
            let ask = app.put(&john.path()).token(&john.token).header("If-None-Match", "\"2\"");
            ask.json(&json!({"first_name": format!("Name {number}")})).send()
        });
        let replies = futures_util::future::join_all(changes).await;
        assert_eq!(replies.iter().filter(|reply| reply.status() == 200).count(), 1);
        assert_eq!(app.etag(&john).await, "\"2\"");
    }

    async fn both_conditions_must_hold_and_a_customer_who_is_gone_is_missing(app: App) {
        let john = app.john();
        let ask = |if_match: &'static str, if_none_match: &'static str| {
            let ask = app.put(&john.path()).token(&john.token).header("If-Match", if_match);
            ask.header("If-None-Match", if_none_match).json(&json!({"first_name": "Jon"})).send()
        };
        ask("\"1\"", "\"1\"").await.problem(412, "version_mismatch");
        ask("\"2\"", "\"2\"").await.problem(412, "version_mismatch");
        ask("\"1\"", "\"2\"").await.expect(200);
        app.execute("DELETE FROM customers");
        ask("*", "*").await.problem(404, "not_found");
    }
}
