//! Email addresses: their syntax, kept as typed, unique by their canonical form.

use awc::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Person, on_both_databases};

const ADDRESS_BURST: (&str, &str) = ("CLIENTELE__THROTTLE__ADDRESS_BURST", "3");
const ADDRESS_RATE: (&str, &str) = ("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1");
const ACCOUNT_BURST: (&str, &str) = ("CLIENTELE__THROTTLE__ACCOUNT_BURST", "3");
const ACCOUNT_RATE: (&str, &str) = ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "1");

on_both_databases! {
    async fn an_email_is_kept_as_typed(app: App) {
        let john = app.john();
        for email in ["John.Doe+Shop@Example.COM", "o'brien@localhost", "a@bücher.example", "x_y!#$%&*=?^`{|}~-/@a-b.c"] {
            let reply = app.change(&john, &json!({"email": email})).await.expect(200);
            assert_eq!(reply.json()["email"], email);
            assert_eq!(app.show(&john).await["email"], email);
        }
    }

    async fn what_a_browser_refuses_is_refused(app: App) {
        let john = app.john();
        let long_label = format!("a@{}.example", "b".repeat(64));
        for email in [
            "nobody", "@", "a@", "@b.example", "a b@c.example", "a@b c.example", "a@b..c", "a@.b", "a@b.", "a@-b.example",
            "a@b-.example", "a@b_c.example", "a@[127.0.0.1]", "a@b@c.example", "ä@b.example", "\"a\"@b.example",
            "John <a@b.example>", "a@b.example,c@d.example", &long_label,
        ] {
            app.change(&john, &json!({"email": email})).await.fields(&[("#/email", "format")]);
        }
        app.change(&john, &json!({"email": ""})).await.problem(422, "validation_failed");
    }

    async fn an_email_keeps_nothing_that_cannot_be_seen(app: App) {
        let (john, jane) = (app.john(), app.jane());
        for typed in ["\u{200b}Jo@example.com", "Jo@exam\u{200b}ple.com", "J\u{ad}o@example.com\u{feff}", "Jo@\u{2060}example.com"] {
            let reply = app.change(&john, &json!({"email": typed})).await.expect(200);
            assert_eq!(reply.json()["email"], "Jo@example.com", "{typed:?}");
        }
        app.change(&jane, &json!({"email": "jo\u{200b}@example.com"})).await.problem(409, "email_taken");
        app.change(&john, &json!({"email": "\u{200b}@example.com"})).await.fields(&[("#/email", "format")]);
    }

    async fn an_email_has_at_most_254_bytes(app: App) {
        let john = app.john();
        let (local, label) = ("l".repeat(62), "d".repeat(63));
        let longest = format!("{local}@{label}.{label}.{label}");
        assert_eq!(longest.len(), 254);
        let reply = app.change(&john, &json!({"email": longest})).await.expect(200);
        assert_eq!(reply.json()["email"], longest);
        app.change(&john, &json!({"email": format!("l{longest}")})).await.fields(&[("#/email", "too_long")]);
    }

    async fn a_local_part_may_be_as_long_as_html_allows(app: App) {
        let john = app.john();
        let email = format!("{}@example.com", "l".repeat(65));
        assert_eq!(app.change(&john, &json!({"email": email})).await.expect(200).json()["email"], email);
    }

    async fn another_customers_email_is_taken(app: App) {
        let (john, _jane) = (app.john(), app.jane());
        app.change(&john, &json!({"email": "jane@example.com"})).await.problem(409, "email_taken");
        assert_eq!(app.show(&john).await["email"], "john@example.com");
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn case_and_the_script_of_the_domain_do_not_make_another_email(app: App) {
        let (john, jane) = (app.john(), app.jane());
        app.change(&jane, &json!({"email": "Jane@Bücher.example"})).await.expect(200);
        for email in ["jane@bücher.example", "JANE@BÜCHER.EXAMPLE", "jane@xn--bcher-kva.example", "Jane@XN--BCHER-KVA.example"] {
            app.change(&john, &json!({"email": email})).await.problem(409, "email_taken");
        }
        for email in ["jan.e@bücher.example", "jane+1@bücher.example", "jane@bucher.example"] {
            app.change(&john, &json!({"email": email})).await.expect(200);
        }
    }

    async fn ones_own_email_in_another_case_is_a_change_and_no_conflict(app: App) {
        let john = app.john();
        let reply = app.change(&john, &json!({"email": "John@Example.com"})).await.expect(200);
        assert_eq!(reply.json()["email"], "John@Example.com");
        assert_eq!(app.etag(&john).await, "\"2\"");
    }

    async fn a_released_email_is_free_for_others(app: App) {
        let (john, jane) = (app.john(), app.jane());
        app.change(&jane, &json!({"email": "jane@example.org"})).await.expect(200);
        let reply = app.change(&john, &json!({"email": "jane@example.com"})).await.expect(200);
        assert_eq!(reply.json()["email"], "jane@example.com");
    }

    async fn a_taken_email_leaves_every_other_member_as_it_was(app: App) {
        let (john, _jane) = (app.john(), app.jane());
        let before = app.show(&john).await;
        let body = json!({
            "email": "jane@example.com", "first_name": "Johnny", "date_of_birth": "1990-01-15",
            "address": {"street_address": "1", "city": "B", "country": "Peru"},
        });
        app.change(&john, &body).await.problem(409, "email_taken");
        assert_eq!(app.show(&john).await, before);
    }

    async fn asking_for_the_emails_of_others_is_throttled_for_the_account(app: App) {
        let (john, jane) = (app.john(), app.jane());
        let app = app.instance(&[ACCOUNT_BURST, ACCOUNT_RATE]);
        for number in 0..6 {
            let method = if number % 2 == 0 { Method::PUT } else { Method::PATCH };
            let ask = app.ask(method, &john.path()).token(&john.token).json(&json!({"email": "jane@example.com"}));
            let reply = ask.send().await;
            match number {
                0..3 => drop(reply.problem(409, "email_taken")),
                _ => assert!(reply.problem(429, "too_many_requests").header("retry-after").is_some()),
            }
        }
        app.change(&john, &json!({"email": "free@example.com"})).await.problem(429, "too_many_requests");
        // All other changes go on, and a client may send back the email that it read.
        for number in 0..10 {
            let name = format!("John {number}");
            app.change(&john, &json!({"first_name": name})).await.expect(200);
            app.change(&john, &json!({"first_name": name, "email": "john@example.com"})).await.expect(200);
        }
        app.change(&jane, &json!({"email": "other@example.com"})).await.expect(200);
    }

    async fn changing_the_email_to_and_fro_is_throttled_and_sending_it_back_is_not(app: App) {
        let john = app.john();
        let app = app.instance(&[ACCOUNT_BURST, ACCOUNT_RATE, ADDRESS_BURST, ADDRESS_RATE]);
        let same = json!({"email": "john@example.com", "first_name": "John"});
        for reply in join_all((0..40).map(|_| app.change(&john, &same))).await {
            reply.expect(200);
        }
        for number in 0..3 {
            app.change(&john, &json!({"email": format!("john{number}@example.com")})).await.expect(200);
        }
        app.change(&john, &json!({"email": "john@example.com"})).await.problem(429, "too_many_requests");
        assert_eq!(app.show(&john).await["email"], "john2@example.com");
    }

    async fn one_address_is_throttled_whatever_accounts_it_asks_with(app: App) {
        let (crowd, _jane) = (app.crowd(5), app.jane());
        let app = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, ("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1")]);
        let ask = async |address: &str, person: &Person| {
            let ask = app.put(&person.path()).token(&person.token).header("X-Forwarded-For", address);
            ask.json(&json!({"email": "jane@example.com"})).send().await.status()
        };
        for (number, person) in crowd.iter().enumerate() {
            assert_eq!(ask("198.51.100.7", person).await, if number < 3 { 409 } else { 429 });
        }
        assert_eq!(ask("198.51.100.8", &crowd[4]).await, 409);
        let off = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, ("CLIENTELE__THROTTLE__ENABLED", "false")]);
        for person in &crowd {
            off.change(person, &json!({"email": "jane@example.com"})).await.problem(409, "email_taken");
        }
    }
}
