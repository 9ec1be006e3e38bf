//! `clientele outbox` and `clientele mail`.

use clientele::ids::EntryId;
use serde_json::{Value, json};

use super::{post, post_due, until};
use crate::harness::{Binary, Letter, METRICS, Mailbox, on_both_databases};

on_both_databases! {
    async fn the_outbox_is_listed_without_anything_personal(app: App) {
        app.john();
        let binary = Binary::on(app.database_url());
        assert_eq!(binary.run(&["outbox", "list", "--json"]).done(), "[]");
        let failed = post(&app, None, &json!({"mail": "forgotten_password", "email": "secret@example.com", "language": "en"}));
        app.execute("UPDATE outbox SET due_at = NULL, content = '', attempts = 3, error = 'the server replied 550'");
        let waiting = post_due(&app, Some(123), &json!({"mail": "email_changed", "old_email": "secret@example.com", "verified": false, "language": "en"}), "2100-01-01 00:00:00");
        let listed = binary.run(&["outbox", "list"]);
        let lines: Vec<_> = listed.done().lines().collect();
        assert_eq!(lines.len(), 3, "{listed:?}");
        assert!(lines[0].starts_with("ID") && lines[1].starts_with(&failed.to_string()), "{listed:?}");
        assert!(lines[1].ends_with("3         failed                    the server replied 550"), "{listed:?}");
        assert!(lines[2].contains("email_changed") && lines[2].contains("2100-01-01T00:00:00.000Z"), "{listed:?}");
        assert!(!listed.out.contains("secret"), "{listed:?}");
        let rows: Value = serde_json::from_str(binary.run(&["outbox", "list", "--json"]).done()).expect("JSON");
        assert_eq!((&rows[0]["next_attempt"], &rows[0]["kind"], &rows[0]["attempts"]), (&Value::Null, &Value::Null, &json!(3)));
        assert_eq!((&rows[1]["customer"], &rows[1]["id"]), (&json!(123), &json!(waiting.to_string())));
        assert!(rows[1]["age_seconds"].as_i64().is_some_and(|age| age < 60), "{rows}");
        assert_eq!(binary.run(&["outbox", "list", "--limit", "1"]).done().lines().count(), 2);
    }
}

on_both_databases! {
    async fn the_operator_makes_waiting_mails_due_at_once(app: App) {
        app.john();
        let binary = Binary::on(app.database_url());
        let notice = json!({"mail": "password_changed", "language": "en"});
        let [one, two, fresh, failed] = [0; 4].map(|_| post_due(&app, Some(123), &notice, "2100-01-01 00:00:00"));
        app.execute(&format!("UPDATE outbox SET error = 'timed out', attempts = 4 WHERE id IN ({one}, {two})"));
        app.execute(&format!("UPDATE outbox SET error = 'x', due_at = NULL, content = '' WHERE id = {failed}"));
        let due = || app.number("SELECT COUNT(*) AS value FROM outbox WHERE due_at < '2099-01-01 00:00:00'");
        let retry = |what: &str| binary.run(&["outbox", "retry", what]);
        assert_eq!(retry(&one.to_string()).done(), "1 mail is due now");
        assert_eq!(due(), 1);
        assert_eq!(retry("--all").done(), "2 mails are due now");
        assert_eq!(due(), 2);
        retry(&fresh.to_string()).refused(1, &["it is being delivered, or about to be"]);
        retry(&failed.to_string()).refused(1, &["its content is gone"]);
        retry("17").refused(1, &["there is no such mail"]);
        assert_eq!(binary.run(&["outbox", "retry"]).code, Some(2));
        assert_eq!(retry("x").code, Some(2));
    }
}

on_both_databases! {
    async fn a_mail_that_could_not_be_delivered_for_two_days_has_failed(app: App) {
        let mailbox = Mailbox::new();
        app.john();
        let id = |days: i64| EntryId::least_at(chrono::Utc::now() - chrono::TimeDelta::days(days)).get();
        let [late, tried, old] = [3, 1, 40].map(id);
        for (id, due_at) in [(late, "'2100-01-01 00:00:00'"), (tried, "'2100-01-01 00:00:00'"), (old, "NULL")] {
            app.execute(&format!(
                "INSERT INTO outbox (id, customer_id, kind, content, attempts, due_at, error)
                 VALUES ({id}, 123, 'mail', '{{}}', 9, {due_at}, 'timed out')"
            ));
        }
        let app = mailbox.instance(&app, &[]);
        until(|| app.rows("outbox") == 2).await;
        let failed = app.texts("SELECT CAST(id AS VARCHAR(20)) AS value FROM outbox WHERE due_at IS NULL AND content = ''");
        assert_eq!(failed, [late.to_string()]);
    }
}

on_both_databases! {
    async fn what_becomes_of_mails_is_counted(app: App) {
        let mailbox = Mailbox::new();
        app.john();
        let notice = json!({"mail": "password_changed", "language": "en"});
        post(&app, Some(123), &notice);
        post(&app, None, &json!({"mail": "forgotten_password", "email": "nobody@example.com", "language": "en"}));
        let late = EntryId::least_at(chrono::Utc::now() - chrono::TimeDelta::hours(1)).get();
        app.execute(&format!(
            "INSERT INTO outbox (id, customer_id, kind, content, attempts, due_at, error)
             VALUES ({late}, 123, 'mail', '{notice}', 9, '2100-01-01 00:00:00', 'timed out')"
        ));
        let app = mailbox.instance(&app, &[METRICS]);
        until(|| app.rows("outbox") == 1).await;
        let started = std::time::Instant::now();
        while app.scrape().await.value("clientele_mails_total{outcome=\"delivered\"}") < 1.0 {
            assert!(started.elapsed().as_secs() < 10, "it is not counted");
        }
        let scrape = app.scrape().await;
        for (outcome, count) in [("delivered", 1.0), ("dropped", 1.0), ("retried", 0.0), ("failed", 0.0)] {
            let series = format!("clientele_mails_total{{outcome=\"{outcome}\"}}");
            assert!((scrape.value(&series) - count).abs() < 0.1, "{outcome}");
        }
        assert!(scrape.value("clientele_mails_waiting") >= 1.0);
        assert!((3600.0..3700.0).contains(&scrape.value("clientele_mails_oldest_seconds")));
    }
}

#[test]
fn a_test_mail_becomes_a_file_or_says_why_not() {
    let binary = Binary::bare();
    let sent = binary.run(&["mail", "test", "John@Bücher.example", "--language", "fr"]);
    assert_eq!(sent.done(), "sent to data/mail");
    let files: Vec<_> = std::fs::read_dir(binary.folder().join("data/mail")).expect("the folder").flatten().collect();
    let [file] = <[_; 1]>::try_from(files).expect("one file");
    assert!(file.file_name().to_string_lossy().starts_with("0-"));
    let letter = Letter::parse("", &std::fs::read(file.path()).expect("the mail"));
    assert_eq!((letter.to.as_str(), letter.subject.as_str()), ("John@xn--bcher-kva.example", "Message de test"));
    assert_eq!(binary.run(&["mail", "test", "john"]).code, Some(2));
    assert_eq!(binary.run(&["mail", "test", "a@b.example", "--language", "it"]).code, Some(2));
    let none = Binary::bare().with("CLIENTELE__MAIL__TRANSPORT", "none");
    none.run(&["mail", "test", "a@b.example"]).refused(1, &["mail.transport is \"none\""]);
    std::fs::write(binary.folder().join("blocked"), "").expect("a file");
    let blocked = binary.with("CLIENTELE__MAIL__FOLDER", "blocked/mail");
    blocked.run(&["mail", "test", "a@b.example"]).refused(1, &["not sent to blocked/mail", "mail.folder"]);
}
