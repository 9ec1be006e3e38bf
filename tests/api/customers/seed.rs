//! The request that the service started from, and its reply, to the letter.

use serde_json::Value;

use crate::harness::on_both_databases;

const REQUEST: &str = include_str!("../seed/request.json");
const RESPONSE: &str = include_str!("../seed/response.json");

/// The JSON text without white space between its tokens: the members in the order in which they stand there.
fn compact(text: &str) -> String {
    let mut inside_string = false;
    let mut compact = String::new();
    for c in text.chars() {
        inside_string ^= c == '"';
        if inside_string || !c.is_whitespace() {
            compact.push(c);
        }
    }
    compact
}

on_both_databases! {
    async fn the_seed_request_gets_the_seed_response_byte_for_byte(app: App) {
        let john = app.john();
        let reply = app.put("/api/v1/customers/123/").token(&john.token).text(REQUEST).send().await.expect(200);
        assert_eq!(reply.text(), compact(RESPONSE));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }

    async fn what_was_put_is_what_is_shown(app: App) {
        let john = app.john();
        app.put(&john.path()).token(&john.token).text(REQUEST).send().await.expect(200);
        let shown = app.get(&john.path()).token(&john.token).send().await.expect(200);
        assert_eq!(shown.text(), compact(RESPONSE));
    }

    async fn get_edit_put_works_with_the_slug_left_in(app: App) {
        let john = app.john();
        app.put(&john.path()).token(&john.token).text(REQUEST).send().await.expect(200);
        let mut shown = app.get(&john.path()).token(&john.token).send().await.expect(200).json();
        shown["address"]["city"] = Value::from("San Diego");
        let reply = app.put(&john.path()).token(&john.token).json(&shown).send().await.expect(200);
        assert_eq!(reply.json(), shown);
    }

    async fn a_customer_without_date_and_address_shows_both_as_null(app: App) {
        let john = app.john();
        let shown = app.get(&john.path()).token(&john.token).send().await.expect(200);
        assert_eq!(
            shown.text(),
            r#"{"email":"john@example.com","first_name":"John","last_name":"Doe","slug":"john-doe","date_of_birth":null,"address":null}"#
        );
    }
}
