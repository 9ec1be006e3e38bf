//! The links that mails make, and mails that need not be sent any more.

use serde_json::{Value, json};

use super::{post, until};
use crate::harness::{App, Mailbox, on_both_databases};

fn mail(kind: &str) -> Value {
    json!({"mail": kind, "language": "en"})
}

fn forgotten(email: &str) -> Value {
    json!({"mail": "forgotten_password", "email": email, "language": "en"})
}

fn changed(old_email: &str) -> Value {
    json!({"mail": "email_changed", "old_email": old_email, "verified": true, "language": "en"})
}

/// The ids of all links, the oldest first.
fn links(app: &App) -> Vec<String> {
    app.texts("SELECT CAST(id AS VARCHAR(20)) AS value FROM links ORDER BY id")
}

on_both_databases! {
    async fn a_newer_link_ends_the_older_ones_of_its_kind(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        app.john();
        app.jane();
        let verify = post(&app, Some(123), &mail("verify_email"));
        let of_jane = post(&app, Some(124), &mail("reset_password"));
        mailbox.settle(&app).await;
        for content in [mail("reset_password"), forgotten("john@example.com"), mail("reset_password")] {
            let customer = if content["mail"] == "reset_password" { Some(123) } else { None };
            let newest = post(&app, customer, &content);
            mailbox.settle(&app).await;
            assert_eq!(links(&app), [verify, of_jane, newest].map(|id| id.to_string()));
        }
        assert_eq!(mailbox.letters().len(), 5);
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM links WHERE kind = 'verify'"), 1);
    }
}

on_both_databases! {
    async fn each_change_of_the_email_keeps_a_link_of_its_own(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        app.john();
        let mut ids = Vec::new();
        for old_email in ["owner@example.com", "thief@example.com", "thief@example.com"] {
            ids.push(post(&app, Some(123), &changed(old_email)).to_string());
            mailbox.settle(&app).await;
        }
        assert_eq!(links(&app), ids);
        let emails = app.texts("SELECT email AS value FROM links WHERE kind = 'revert' ORDER BY id");
        assert_eq!(emails, ["owner@example.com", "thief@example.com", "thief@example.com"]);
    }
}

on_both_databases! {
    async fn a_mail_that_waited_while_a_newer_one_was_sent_is_not_sent(app: App) {
        let mailbox = Mailbox::new();
        app.john();
        let [older, newer] = [0, 1].map(|_| post(&app, Some(123), &mail("reset_password")));
        app.execute(&format!("UPDATE outbox SET due_at = '2100-01-01 00:00:00' WHERE id = {older}"));
        let app = mailbox.instance(&app, &[]);
        until(|| links(&app) == [newer.to_string()]).await;
        app.execute("UPDATE outbox SET due_at = '2026-01-01 00:00:00'");
        mailbox.settle(&app).await;
        assert_eq!(links(&app), [newer.to_string()]);
        assert_eq!(mailbox.letters().len(), 1);
    }
}

on_both_databases! {
    async fn a_mail_that_need_not_be_sent_any_more_is_dropped(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        app.john();
        app.execute("UPDATE customers SET email_verified_at = '2026-01-01 00:00:00' WHERE id = 123");
        app.customer(201, "disabled@example.com", "Dis", "Abled");
        app.execute("UPDATE customers SET disabled_at = '2026-01-01 00:00:00' WHERE id = 201");
        post(&app, Some(123), &mail("verify_email"));
        post(&app, None, &forgotten("nobody@example.com"));
        post(&app, None, &forgotten("disabled@example.com"));
        post(&app, Some(201), &mail("reset_password"));
        post(&app, Some(201), &mail("password_changed"));
        // The change of email was forgotten.
        post(&app, Some(123), &mail("confirm_email"));
        mailbox.settle(&app).await;
        assert_eq!(app.rows("outbox"), 0);
        assert_eq!((mailbox.letters().len(), app.rows("links")), (0, 0));
    }
}

on_both_databases! {
    async fn a_name_is_shown_to_a_verified_address_only(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        app.customer(201, "squatted@example.com", "buy-at-evil.example", "Doe");
        for content in [mail("verify_email"), mail("password_changed"), mail("reset_password"), mail("email_change_requested")] {
            post(&app, Some(201), &content);
        }
        post(&app, None, &forgotten("squatted@example.com"));
        mailbox.settle(&app).await;
        let letters = mailbox.letters();
        assert_eq!(letters.len(), 5);
        for letter in letters {
            assert!(letter.text.starts_with("Hello,") && !letter.text.contains("evil"), "{letter:?}");
            assert!(!letter.html.contains("evil"), "{letter:?}");
        }
    }
}

on_both_databases! {
    async fn a_mail_of_a_kind_that_a_newer_version_knows_waits_for_it(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        app.john();
        post(&app, Some(123), &mail("birthday"));
        app.execute(
            "INSERT INTO outbox (id, kind, content, attempts, due_at)
             VALUES (7, 'webhook', '{}', 0, '2026-01-01 00:00:00')",
        );
        until(|| app.texts("SELECT error AS value FROM outbox") == ["the kind of mail is not known to this version"]).await;
        assert_eq!(app.number("SELECT attempts AS value FROM outbox WHERE id = 7"), 0);
    }
}
