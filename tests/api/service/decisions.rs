//! The order of decisions: where two things are wrong, the reply is the one that comes first.

use serde_json::json;

use crate::harness::{Forgery, now, on_both_databases};

const STRANGERS: &str = "/api/v1/customers/124/";
const OWN: &str = "/api/v1/customers/123/";
const INVALID: &str = r#"{"nick":1}"#;
const DUPLICATE: &str = r#"{"nick":1,"nick":2}"#;

fn too_large() -> String {
    format!("{{{}", " ".repeat(70_000))
}

on_both_databases! {
    async fn a_bad_token_comes_before_another_customers_id(app: App) {
        app.john();
        let expired = Forgery::good(123).claim("exp", now() - 60).sign();
        app.put(STRANGERS).json(&json!({})).send().await.problem(401, "token_missing");
        app.put(STRANGERS).token("garbage").json(&json!({})).send().await.problem(401, "token_invalid");
        app.put(STRANGERS).token(&expired).json(&json!({})).send().await.problem(401, "token_expired");
    }

    async fn another_customers_id_comes_before_anything_in_the_body_or_the_headers(app: App) {
        let (john, _jane) = (app.john(), app.jane());
        for body in [too_large().as_str(), DUPLICATE, INVALID, "not JSON"] {
            app.put(STRANGERS).token(&john.token).text(body).send().await.problem(403, "not_owner");
            app.put(STRANGERS).token(&john.token).body(body.to_owned()).send().await.problem(403, "not_owner");
        }
        let malformed = app.put(STRANGERS).token(&john.token).header("If-Match", "1");
        malformed.json(&json!({})).send().await.problem(403, "not_owner");
        app.get(STRANGERS).token(&john.token).header("If-None-Match", "1").send().await.problem(403, "not_owner");
    }

    async fn the_media_type_comes_before_the_size(app: App) {
        let john = app.john();
        let ask = app.put(OWN).token(&john.token).header("Content-Type", "text/plain").body(too_large());
        ask.send().await.problem(415, "unsupported_media_type");
    }

    async fn the_size_comes_before_the_syntax(app: App) {
        let john = app.john();
        app.put(OWN).token(&john.token).text(&too_large()).send().await.problem(413, "body_too_large");
    }

    async fn the_syntax_comes_before_the_fields(app: App) {
        let john = app.john();
        app.put(OWN).token(&john.token).text(DUPLICATE).send().await.problem(400, "malformed_json");
        app.put(OWN).token(&john.token).text(r#"{"nick":1,"#).send().await.problem(400, "malformed_json");
        let nested = r#"{"nick":1,"address":{"city":"A","city":"B"}}"#;
        app.put(OWN).token(&john.token).text(nested).send().await.problem(400, "malformed_json");
    }

    async fn a_malformed_condition_comes_before_the_fields(app: App) {
        let john = app.john();
        let ask = app.put(OWN).token(&john.token).header("If-Match", "1").text(INVALID);
        ask.send().await.problem(400, "malformed_header");
    }

    async fn the_fields_come_before_a_customer_who_does_not_exist(app: App) {
        let nobody = app.token(123);
        app.put(OWN).token(&nobody).text(INVALID).send().await.fields(&[("#/nick", "unknown_field")]);
        app.put(OWN).token(&nobody).json(&json!({})).send().await.problem(404, "not_found");
        app.get(OWN).token(&nobody).send().await.problem(404, "not_found");
    }

    async fn a_customer_who_does_not_exist_comes_before_the_version(app: App) {
        let nobody = app.token(123);
        for condition in ["\"7\"", "*"] {
            let ask = app.put(OWN).token(&nobody).header("If-Match", condition).json(&json!({"first_name": "A"}));
            ask.send().await.problem(404, "not_found");
        }
    }

    async fn an_ended_session_comes_before_the_version(app: App) {
        app.john();
        let ended = Forgery::good(123).claim("sid", "4711").sign();
        for customer in [OWN, "/api/v1/customers/me/"] {
            app.get(customer).token(&ended).send().await.problem(401, "session_ended");
            let ask = app.put(customer).token(&ended).header("If-Match", "\"7\"").json(&json!({"first_name": "A"}));
            ask.send().await.problem(401, "session_ended");
        }
        let ask = app.put(OWN).token(&ended).text(INVALID);
        ask.send().await.fields(&[("#/nick", "unknown_field")]);
        app.put(STRANGERS).token(&ended).json(&json!({})).send().await.problem(403, "not_owner");
    }

    async fn the_version_comes_before_a_taken_email(app: App) {
        let (john, _jane) = (app.john(), app.jane());
        let body = json!({"email": "jane@example.com"});
        let ask = app.put(OWN).token(&john.token).header("If-Match", "\"7\"").json(&body);
        ask.send().await.problem(412, "version_mismatch");
        let ask = app.put(OWN).token(&john.token).header("If-Match", "\"1\"").json(&body);
        ask.send().await.problem(409, "email_taken");
    }

    async fn the_answer_to_a_stranger_is_the_same_whether_or_not_the_customer_exists(app: App) {
        let (john, _jane) = (app.john(), app.jane());
        let mut replies = Vec::new();
        for id in [124, 125] {
            let ask = app.get(&format!("/api/v1/customers/{id}/")).token(&john.token).header("X-Request-Id", "same");
            let reply = ask.send().await;
            reply.problem(403, "not_owner");
            replies.push((reply.text().to_owned(), reply.header("www-authenticate").map(ToOwned::to_owned)));
        }
        assert_eq!(replies[0], replies[1]);
    }
}
