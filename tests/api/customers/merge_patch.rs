//! `PATCH /api/v1/customers/{id}/` (RFC 7396).

use awc::http::Method;
use serde_json::{Value, json};

use crate::harness::{App, Ask, Person, on_both_databases};

fn elm_street() -> Value {
    json!({"street_address": "1 Elm St", "postal_code": "02134", "city": "Boston", "state": "MA", "country": "Peru"})
}

/// Rosa with an address, at version 2.
async fn rosa(app: &App) -> Person {
    let member = app.member("rosa@example.com").await;
    let reply = app.patch(&member, &json!({"date_of_birth": "1990-01-15", "address": elm_street()})).await.expect(200);
    assert_eq!(reply.header("etag"), Some("\"2\""));
    member
}

fn ask(app: &App, member: &Person) -> Ask {
    app.ask(Method::PATCH, &member.path()).token(&member.token)
}

on_both_databases! {
    async fn a_patch_answers_the_customer_with_its_new_etag(app: App) {
        let member = rosa(&app).await;
        let reply = app.patch(&member, &json!({"first_name": "Rosalía"})).await.expect(200);
        assert_eq!(
            reply.text(),
            r#"{"email":"rosa@example.com","first_name":"Rosalía","last_name":"Delgado","slug":"rosalia-delgado","date_of_birth":"1990-01-15","address":{"street_address":"1 Elm St","postal_code":"02134","city":"Boston","state":"MA","country":"Peru"}}"#
        );
        assert_eq!(reply.header("etag"), Some("\"3\""));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let shown = app.profile(&member).await.expect(200);
        assert_eq!((shown.text(), shown.header("etag")), (reply.text(), Some("\"3\"")));
    }

    async fn both_media_types_are_taken_and_no_other(app: App) {
        let member = rosa(&app).await;
        let body = json!({"last_name": "Roe"}).to_string();
        for media_type in ["application/merge-patch+json", "application/json", "application/merge-patch+json; charset=utf-8"] {
            ask(&app, &member).header("Content-Type", media_type).body(body.clone()).send().await.expect(200);
        }
        for media_type in ["application/json-patch+json", "text/plain", "application/merge-patch", "*/*", "application/json; charset=latin1"] {
            let reply = ask(&app, &member).header("Content-Type", media_type).body(body.clone()).send().await;
            reply.problem(415, "unsupported_media_type");
        }
        ask(&app, &member).body(body.clone()).send().await.problem(415, "unsupported_media_type");
        let put = app.put(&member.path()).token(&member.token).header("Content-Type", "application/merge-patch+json");
        put.body(body).send().await.problem(415, "unsupported_media_type");
    }

    async fn an_address_is_merged_member_by_member(app: App) {
        let member = rosa(&app).await;
        let mut expected = elm_street();
        for (name, value) in [("city", json!("Salem")), ("postal_code", json!(54321)), ("street_address", json!("2 Elm St"))] {
            let reply = app.patch(&member, &json!({"address": {name: value}})).await.expect(200);
            expected[name] = value;
            assert_eq!(reply.json()["address"], expected);
        }
        let reply = app.patch(&member, &json!({"address": {"country": "us", "city": "Lynn"}})).await.expect(200);
        (expected["country"], expected["city"]) = (json!("United States"), json!("Lynn"));
        assert_eq!(reply.json()["address"], expected);
        assert_eq!(reply.header("etag"), Some("\"6\""));
    }

    async fn null_clears_what_is_optional(app: App) {
        let member = rosa(&app).await;
        let reply = app.patch(&member, &json!({"address": {"postal_code": null, "state": null}})).await.expect(200).json();
        assert_eq!((&reply["address"]["postal_code"], &reply["address"]["state"]), (&Value::Null, &Value::Null));
        assert_eq!(reply["address"]["city"], "Boston");
        let reply = app.patch(&member, &json!({"date_of_birth": null, "address": null})).await.expect(200).json();
        assert_eq!((&reply["date_of_birth"], &reply["address"]), (&Value::Null, &Value::Null));
        assert_eq!(app.rows("addresses"), 0);
    }

    async fn null_on_what_is_required_is_422(app: App) {
        let member = rosa(&app).await;
        let body = json!({"email": null, "first_name": null, "last_name": null,
            "address": {"street_address": null, "city": null, "country": null}});
        app.patch(&member, &body).await.fields(&[
            ("#/email", "null"), ("#/first_name", "null"), ("#/last_name", "null"),
            ("#/address/street_address", "null"), ("#/address/city", "null"), ("#/address/country", "null"),
        ]);
        assert_eq!(app.profile(&member).await.header("etag"), Some("\"2\""));
    }

    async fn an_address_that_is_not_there_is_created_only_whole(app: App) {
        let member = app.member("rosa@example.com").await;
        let street_and_country = [("#/address/street_address", "required"), ("#/address/country", "required")];
        app.patch(&member, &json!({"address": {"city": "Boston"}})).await.fields(&street_and_country);
        let all = [("#/address/street_address", "required"), ("#/address/city", "required"), ("#/address/country", "required")];
        app.patch(&member, &json!({"address": {}})).await.fields(&all);
        app.patch(&member, &json!({"first_name": "Never", "address": {"state": null}})).await.fields(&all);
        let whole = json!({"address": {"street_address": "1 Elm St", "city": "Boston", "country": "Peru"}});
        let reply = app.patch(&member, &whole).await.expect(200);
        assert_eq!(reply.header("etag"), Some("\"2\""));
        assert_eq!(reply.json()["first_name"], "Rosa");
        assert_eq!(reply.json()["address"]["postal_code"], Value::Null);
        // Removed, it must be whole again.
        app.patch(&member, &json!({"address": null})).await.expect(200);
        app.patch(&member, &json!({"address": {"city": "Salem"}})).await.fields(&street_and_country);
    }

    async fn a_patch_that_changes_nothing_is_200_without_a_new_version(app: App) {
        let member = rosa(&app).await;
        for same in [
            json!({}), json!({"slug": "x", "id": 1, "updated_at": null}), json!({"first_name": " Rosa "}),
            json!({"address": {}}), json!({"address": {"city": "Boston"}}), json!({"address": elm_street()}),
            json!({"date_of_birth": "1990-01-15"}),
        ] {
            let reply = app.patch(&member, &same).await.expect(200);
            assert_eq!(reply.header("etag"), Some("\"2\""), "{same}");
            assert_eq!(reply.json()["address"], elm_street(), "{same}");
        }
    }

    async fn if_match_guards_a_patch(app: App) {
        let member = rosa(&app).await;
        let conditional = |condition: &str| {
            let ask = ask(&app, &member).header("If-Match", condition);
            ask.json(&json!({"address": {"city": "Salem"}})).send()
        };
        conditional("\"1\"").await.problem(412, "version_mismatch");
        conditional("W/\"2\"").await.problem(412, "version_mismatch");
        conditional("2").await.problem(400, "malformed_header");
        let reply = conditional("\"2\"").await.expect(200);
        assert_eq!(reply.header("etag"), Some("\"3\""));
        conditional("*").await.expect(200);
        assert_eq!(app.profile(&member).await.header("etag"), Some("\"3\""));
    }

    async fn what_is_wrong_is_told_with_pointers(app: App) {
        let member = rosa(&app).await;
        app.patch(&member, &json!({"adress": {}, "address": {"zip": 1, "city": 7}})).await
            .fields(&[("#/adress", "unknown_field"), ("#/address/zip", "unknown_field"), ("#/address/city", "type")]);
        app.patch(&member, &json!({"address": "x"})).await.fields(&[("#/address", "type")]);
        app.patch(&member, &json!([{"op": "remove", "path": "/address"}])).await.fields(&[("#", "type")]);
        app.patch(&member, &json!({"password": "SecureP@ssw0rd123"})).await.fields(&[("#/password", "unknown_field")]);
        let put = app.put(&member.path()).token(&member.token).json(&json!({"password": "SecureP@ssw0rd123"}));
        put.send().await.fields(&[("#/password", "unknown_field")]);
        ask(&app, &member).text("{").send().await.problem(400, "malformed_json");
        assert_eq!(app.profile(&member).await.header("etag"), Some("\"2\""));
    }

    async fn an_email_of_somebody_else_is_409(app: App) {
        let member = rosa(&app).await;
        app.jane();
        app.patch(&member, &json!({"email": "JANE@example.com"})).await.problem(409, "email_taken");
        app.patch(&member, &json!({"email": "Rosa@example.com"})).await.expect(200);
        app.sign_in("rosa@example.com", crate::harness::PASSWORD).await.expect(200);
    }

    async fn a_changed_email_is_what_signs_in_from_then_on(app: App) {
        let member = rosa(&app).await;
        app.patch(&member, &json!({"email": "rosalia@example.com"})).await.expect(200);
        app.sign_in("rosa@example.com", crate::harness::PASSWORD).await.problem(401, "bad_credentials");
        app.sign_in("rosalia@example.com", crate::harness::PASSWORD).await.expect(200);
        app.profile(&member).await.expect(200);
    }
}
