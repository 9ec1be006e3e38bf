//! Every kind of mail in every language, whatever the customer is called.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::post_due;
use crate::harness::{App, Letter, Mailbox, on_both_databases};

const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];

/// What the rows of a customer may hold, and the page of each mail's link.
fn kinds() -> Vec<(Value, Option<&'static str>)> {
    vec![
        (json!({"mail": "verify_email"}), Some("verify")),
        (json!({"mail": "forgotten_password", "email": "john@example.com"}), Some("reset")),
        (json!({"mail": "reset_password"}), Some("reset")),
        (json!({"mail": "confirm_email"}), Some("verify")),
        (json!({"mail": "email_change_requested"}), None),
        (json!({"mail": "email_changed", "old_email": "Old@Bücher.example", "verified": true}), Some("revert")),
        (json!({"mail": "password_changed"}), None),
        (json!({"mail": "password_reset"}), None),
        (json!({"mail": "new_network", "network": "198.51.100.0/24"}), None),
    ]
}

/// Sends a mail to John and returns it, with the link's row that there was.
async fn sent(app: &App, mailbox: &Mailbox, mut content: Value, language: &str) -> Letter {
    content["language"] = json!(language);
    let forgotten = content["mail"] == "forgotten_password";
    let id = post_due(app, (!forgotten).then_some(123), &content, "2100-01-01 00:00:00");
    if content["mail"] == "confirm_email" {
        app.execute(&format!(
            "INSERT INTO links (id, customer_id, kind, hash, email, expires_at)
             VALUES ({id}, 123, 'email_change', 'x', 'New@Bücher.example', '2100-01-01 00:00:00')"
        ));
    }
    app.execute(&format!("UPDATE outbox SET due_at = '2026-01-01 00:00:00' WHERE id = {id}"));
    mailbox.settle(app).await;
    let name = format!("123-{id}.eml");
    mailbox.letters().into_iter().find(|letter| letter.file == name).expect("the mail")
}

on_both_databases! {
    async fn every_mail_in_every_language_shows_a_hostile_name_as_text_and_nothing_else(app: App) {
        let mailbox = Mailbox::new();
        let shop = "Ada's \"Shop\" & <b>Söhne</b>";
        let app = mailbox.instance(&app, &[
            ("CLIENTELE__SERVER__PUBLIC_URL", "https://shop.example/base"),
            ("CLIENTELE__MAIL__NAME", shop),
        ]);
        app.john();
        let name = "<script>alert(1)</script>\"'&{{ 7*7 }}{% if %}\r\nBcc: eve@example.com\r\n\r\n\u{202e}مريم";
        let shown = "<script>alert(1)</script>\"'&{{ 7*7 }}{% if %}  Bcc: eve@example.com    مريم";
        let sql = name.replace('\'', "''");
        app.execute(&format!("UPDATE customers SET first_name = '{sql}', last_name = '{sql}'"));
        let mut subjects = BTreeSet::new();
        for (content, page) in kinds() {
            for language in LANGUAGES {
                let verify = content["mail"] == "verify_email";
                let verified = if verify { "NULL" } else { "'2026-01-01 00:00:00'" };
                app.execute(&format!("UPDATE customers SET email_verified_at = {verified}"));
                let letter = sent(&app, &mailbox, content.clone(), language).await;
                let Letter { to, subject, text, html, head, .. } = &letter;
                let (expected, names_customer) = match content["mail"].as_str() {
                    Some("confirm_email") => ("New@xn--bcher-kva.example", false),
                    Some("email_changed") => ("Old@xn--bcher-kva.example", false),
                    Some("verify_email") => ("john@example.com", false),
                    _ => ("john@example.com", true),
                };
                assert_eq!(to, expected);
                assert_eq!(text.contains(shown), names_customer, "{text}");
                assert_eq!(html.contains("<bdi>&lt;script&gt;"), names_customer, "{html}");
                assert!(text.contains(shop) && !html.contains(shop) && html.contains("&lt;b&gt;Söhne"), "{html}");
                let injected = ["<script", "<b>", "{%", "{{", "\u{202e}"];
                assert!(injected.iter().all(|part| !html.replace("{{ 7*7 }}{% if %}", "").contains(part)), "{html}");
                assert!(html.contains(&format!("<html lang=\"{language}\">")), "{html}");
                assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
                assert!(!subject.is_empty() && subject.lines().count() == 1);
                assert_eq!(letter.link().is_some(), page.is_some(), "{text}");
                if let Some(page) = page {
                    let link = format!("https://shop.example/base/account/{page}?token=");
                    assert!(letter.link().is_some_and(|given| given.starts_with(&link)), "{text}");
                    let token = letter.token();
                    let id = letter.file.trim_start_matches("123-").trim_end_matches(".eml");
                    assert!(token.starts_with(&format!("{id}.")), "{token}");
                    assert!(html.contains(&token), "{html}");
                }
                subjects.insert((language, subject.clone()));
            }
        }
        // A forgotten password and a reset one have the same subject.
        assert_eq!(subjects.len(), LANGUAGES.len() * (kinds().len() - 1), "{subjects:?}");
    }
}

on_both_databases! {
    async fn a_mail_has_the_headers_of_an_automatic_one(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[
            ("CLIENTELE__MAIL__FROM", "Bücher & mehr <accounts@Bücher.example>"),
            ("CLIENTELE__MAIL__NAME", "Bücher"),
        ]);
        app.john();
        let letter = sent(&app, &mailbox, json!({"mail": "password_changed"}), "de").await;
        let id = letter.file.trim_start_matches("123-").trim_end_matches(".eml");
        let value = |name: &str| {
            let start = format!("{name}: ");
            letter.head.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| unreachable!("{name}: {letter:?}"))
        };
        assert!(value("Message-ID").starts_with(&format!("<{id}.")), "{letter:?}");
        assert!(value("Message-ID").ends_with("@xn--bcher-kva.example>"), "{letter:?}");
        assert!(value("From").ends_with("<accounts@xn--bcher-kva.example>"), "{letter:?}");
        assert_eq!(value("To"), "john@example.com");
        assert_eq!(value("Auto-Submitted"), "auto-generated");
        assert_eq!(value("Content-Language"), "de");
        assert!(value("Content-Type").starts_with("multipart/alternative"), "{letter:?}");
        assert!(value("Date").ends_with(" +0000"), "{letter:?}");
        assert!(letter.head.is_ascii());
        assert_eq!(letter.subject, "Ihr Passwort wurde geändert");
    }
}
