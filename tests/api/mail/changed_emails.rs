//! What is mailed when a profile's email changes, and when a change must be confirmed first.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, Binary, Mailbox, Person, on_both_databases, registration};

const LINK: &str = "confirm your email";
const NOTICE: &str = "was changed";

fn is_verified(app: &App, person: &Person) -> bool {
    let id = person.id;
    let verified = format!("id = {id} AND email_verified_at IS NOT NULL");
    app.number(&format!("SELECT COUNT(*) AS value FROM customers WHERE {verified}")) == 1
}

fn verify(app: &App) {
    app.execute("UPDATE customers SET email_verified_at = '2026-01-01 00:00:00'");
}

on_both_databases! {
    async fn a_registration_mails_a_link_without_what_was_typed(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        app.register(&registration("rosa@example.com")).await.expect(201);
        let letter = mailbox.wait_for("rosa@example.com", LINK).await;
        assert!(!letter.text.contains("Rosa") && !letter.html.contains("Delgado"), "{letter:?}");
        assert!(!letter.token().is_empty());
        // One that is refused mails nothing.
        app.register(&registration("rosa@example.com")).await.problem(409, "email_taken");
        mailbox.settle(&app).await;
        assert_eq!(mailbox.letters().len(), 1);
    }

    async fn a_changed_email_is_unverified_and_both_addresses_get_a_mail(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        let john = app.john();
        for (number, old) in ["john@example.com", "1@example.com"].into_iter().enumerate() {
            verify(&app);
            let new = json!({"email": format!("{}@example.com", number + 1)});
            let reply = if number == 0 { app.change(&john, &new).await } else { app.patch(&john, &new).await };
            reply.expect(200);
            assert!(!is_verified(&app, &john));
            let notice = mailbox.wait_for(old, NOTICE).await;
            assert!(notice.link().is_some_and(|link| link.contains("/revert?token=")), "{notice:?}");
            let to_new = new["email"].as_str().expect("an email");
            assert!(![&notice.text, &notice.html].iter().any(|text| text.contains(to_new)), "{notice:?}");
            let link = mailbox.wait_for(to_new, LINK).await;
            assert!(link.link().is_some_and(|link| link.contains("/verify?token=")) && !link.text.contains("John"));
        }
        // The first owner can still revert, and so can the second.
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM links WHERE kind = 'revert'"), 2);
    }

    async fn another_spelling_or_another_change_mails_nothing_and_stays_verified(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        let john = app.john();
        verify(&app);
        for change in [json!({"email": "John@EXAMPLE.com"}), json!({"first_name": "Jon"}), json!({"email": "John@EXAMPLE.com"})] {
            app.change(&john, &change).await.expect(200);
        }
        assert!(is_verified(&app, &john));
        assert_eq!(app.rows("outbox"), 0);
        mailbox.settle(&app).await;
        assert!(mailbox.letters().is_empty());
    }

    async fn a_change_that_is_refused_mails_nothing(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        let (john, _jane) = (app.john(), app.jane());
        verify(&app);
        app.change(&john, &json!({"email": "JANE@example.com"})).await.problem(409, "email_taken");
        let stale = app.put(&john.path()).token(&john.token).header("If-Match", "\"7\"");
        stale.json(&json!({"email": "new@example.com"})).send().await.problem(412, "version_mismatch");
        let half = json!({"email": "new@example.com", "address": {"city": "Lima"}});
        app.patch(&john, &half).await.problem(422, "validation_failed");
        assert!(is_verified(&app, &john));
        mailbox.settle(&app).await;
        assert!(mailbox.letters().is_empty());
    }

    async fn changes_in_one_batch_mail_each_customer_of_their_own(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        let crowd = app.crowd(30);
        let bodies: Vec<_> = (0..30).map(|number| json!({"email": format!("new{number}@example.com")})).collect();
        for reply in join_all(crowd.iter().zip(&bodies).map(|(person, body)| app.change(person, body))).await {
            reply.expect(200);
        }
        for number in 0..30 {
            mailbox.wait_for(&format!("new{number}@example.com"), LINK).await;
            mailbox.wait_for(&format!("crowd{number}@example.com"), NOTICE).await;
        }
        mailbox.settle(&app).await;
        assert_eq!(mailbox.letters().len(), 60);
    }

    async fn changes_at_the_same_time_flood_no_mailbox(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        let john = app.john();
        let bodies: Vec<_> = (0..50)
            .map(|number| if number % 2 == 0 { "victim@example.com".to_owned() } else { format!("{number}@example.com") })
            .map(|email| json!({"email": email}))
            .collect();
        join_all(bodies.iter().map(|body| app.patch(&john, body))).await;
        mailbox.settle(&app).await;
        let to_victim = mailbox.letters().iter().filter(|letter| letter.to == "victim@example.com").count();
        // A few batches, at most two mails each.
        assert!((1..=12).contains(&to_victim), "{to_victim} mails");
    }

    async fn an_email_that_must_be_confirmed_is_not_changed_by_put_or_patch(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[("CLIENTELE__AUTH__EMAIL_CHANGE", "confirmed")]);
        let john = app.john();
        let new = json!({"email": "new@example.com", "first_name": "Jack"});
        for reply in [app.change(&john, &new).await, app.patch(&john, &new).await] {
            reply.fields(&[("#/email", "needs_confirmation")]);
        }
        let both = json!({"email": "new@example.com", "address": {"city": "Lima", "country": "Peru"}});
        app.patch(&john, &both).await.fields(&[
            ("#/email", "needs_confirmation"),
            ("#/address/street_address", "required"),
        ]);
        let shown = app.show(&john).await;
        assert_eq!((&shown["email"], &shown["first_name"]), (&json!("john@example.com"), &json!("John")));
        // What a client read is sent back, and another spelling leads to the same mailbox.
        for email in ["john@example.com", "John@example.com"] {
            app.change(&john, &json!({"email": email, "first_name": "Jack"})).await.expect(200);
        }
        mailbox.settle(&app).await;
        assert!(mailbox.letters().is_empty());
    }

    async fn support_changes_an_email_at_once_and_both_addresses_hear_of_it(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[("CLIENTELE__AUTH__EMAIL_CHANGE", "confirmed")]);
        let john = app.john();
        verify(&app);
        let binary = Binary::on(app.database_url()).with("CLIENTELE__MAIL__TRANSPORT", "file");
        binary.run(&["customer", "update", "123", "--email", "new@example.com"]).done();
        assert!(!is_verified(&app, &john));
        mailbox.wait_for("john@example.com", NOTICE).await;
        mailbox.wait_for("new@example.com", LINK).await;
        let set = ["customer", "set-password", "123", "--password-stdin"];
        binary.run_with(&set, "another fine Passw0rd!\n").done();
        mailbox.wait_for("new@example.com", "password was changed").await;
    }

    async fn a_changed_password_is_told_and_ends_the_links_but_those_that_revert(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        let rosa = app.member("rosa@example.com").await;
        app.change(&rosa, &json!({"email": "new@example.com"})).await.expect(200);
        mailbox.wait_for("new@example.com", LINK).await;
        mailbox.wait_for("rosa@example.com", NOTICE).await;
        let body = json!({"current_password": crate::harness::PASSWORD, "new_password": "another fine Passw0rd!"});
        app.post(&format!("{}password/", rosa.path())).token(&rosa.token).json(&body).send().await.expect(204);
        assert_eq!(app.texts("SELECT kind AS value FROM links"), ["revert"]);
        mailbox.wait_for("new@example.com", "password was changed").await;
    }
}
