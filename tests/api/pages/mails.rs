//! Pages to which the links in mails lead, and the change of an email.

use super::visitor::{Visitor, error_of, heading, value_of};
use crate::harness::{App, Letter, Mailbox, PASSWORD, on_both_databases};

const NEW: &str = "analytical engine no 1";

/// A service that sends mail.
fn shop(app: &App, overrides: &[(&str, &str)]) -> (App, Mailbox) {
    let mailbox = Mailbox::new();
    (mailbox.instance(app, overrides), mailbox)
}

/// The path and the query of the link in a mail.
#[track_caller]
fn path_of(letter: &Letter) -> String {
    let link = letter.link().expect("a link");
    let path = link.splitn(4, '/').nth(3).expect("a path");
    format!("/{path}")
}

/// Opens the page of a link, and returns its path and the token in its form.
async fn opened(visitor: &Visitor, letter: &Letter) -> (String, String) {
    let path = path_of(letter);
    let page = visitor.page(&path).await;
    let token = value_of(&page, "token");
    assert_eq!(token, letter.token());
    (path.split('?').next().unwrap_or_default().to_owned(), token)
}

#[track_caller]
fn is_over(page: &str) {
    assert_eq!(heading(page), "This link does not work any more");
    assert!(page.contains("you can get a new one."), "{page}");
}

on_both_databases! {
    async fn a_registration_is_confirmed_by_the_link_in_its_mail(app: App) {
        let (app, mailbox) = shop(&app, &[]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let page = visitor.page("/account/").await;
        assert!(page.contains("Please confirm your email address"), "{page}");
        let letter = mailbox.wait_for("ada@example.com", "confirm your email").await;
        for _ in 0..2 {
            opened(&Visitor::new(&app), &letter).await;
        }
        assert!(visitor.page("/account/").await.contains("Please confirm your email address"));
        let (path, token) = opened(&visitor, &letter).await;
        visitor.submit(&path, &[("token", &token)]).await.leads_to("/account/?done=verified");
        let page = visitor.page("/account/?done=verified").await;
        assert!(page.contains("Your email address is confirmed") && !page.contains("Please confirm"), "{page}");
        for form in [&[("token", token.as_str())][..], &[("token", "1.x")], &[("token", "")], &[]] {
            is_over(&visitor.submit(&path, form).await.expect(400).page());
        }
        is_over(&visitor.get("/account/verify").await.expect(400).page());
        assert!(visitor.page("/account/history").await.contains("Email address confirmed"));
    }

    async fn a_link_that_was_used_says_so_even_if_the_customer_cannot_be_read_then(app: App) {
        let (app, mailbox) = shop(&app, &[]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let letter = mailbox.wait_for("ada@example.com", "confirm your email").await;
        app.execute("ALTER TABLE addresses RENAME TO elsewhere");
        let form = [("token", letter.token())];
        let form = form.each_ref().map(|(name, token)| (*name, token.as_str()));
        visitor.submit("/account/verify", &form).await.leads_to("/account/sign-in?done=verified");
        app.execute("ALTER TABLE elsewhere RENAME TO addresses");
        is_over(&visitor.submit("/account/verify", &form).await.expect(400).page());
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM customers WHERE email_verified_at IS NOT NULL"), 1);
    }

    async fn a_forgotten_password_is_set_by_a_link(app: App) {
        let (app, mailbox) = shop(&app, &[]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let stranger = Visitor::new(&app);
        let page = stranger.submit("/account/forgot", &[("email", "ada")]).await.expect(422).page();
        assert!(error_of(&page, "email").is_some() && value_of(&page, "email") == "ada", "{page}");
        for email in ["nobody@example.com", "ada@example.com"] {
            stranger.submit("/account/forgot", &[("email", email)]).await.leads_to("/account/forgot-sent");
        }
        let page = stranger.page("/account/forgot-sent").await;
        assert_eq!(heading(&page), "Check your inbox");
        let letter = mailbox.wait_for("ada@example.com", "Set a new password").await;
        let (path, token) = opened(&stranger, &letter).await;
        for weak in ["short", "password1", "ada@example.com"] {
            let page = stranger.submit(&path, &[("token", &token), ("new_password", weak)]).await.expect(422).page();
            assert!(error_of(&page, "new-password").is_some(), "{page}");
            assert_eq!(value_of(&page, "token"), token);
        }
        let form = [("token", token.as_str()), ("new_password", NEW)];
        stranger.submit(&path, &form).await.leads_to("/account/sign-in?done=reset");
        assert!(stranger.page("/account/sign-in?done=reset").await.contains("Your new password is saved."));
        is_over(&stranger.submit(&path, &form).await.expect(400).page());
        visitor.get("/account/").await.leads_to("/account/sign-in?notice=session_ended");
        let form = [("email", "ada@example.com"), ("password", NEW)];
        stranger.submit("/account/sign-in", &form).await.leads_to("/account/");
        assert!(mailbox.letters().iter().all(|letter| letter.to == "ada@example.com"));
    }

    async fn an_email_changes_when_the_new_one_is_confirmed_and_can_be_taken_back(app: App) {
        let (app, mailbox) = shop(&app, &[]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        app.register(&crate::harness::registration("bob@example.com")).await.expect(201);
        let change = async |email: &str, password: &str| {
            let form = [("action", "change"), ("email", email), ("current_password", password)];
            visitor.submit("/account/email", &form).await
        };
        let page = change("ada@new", "x").await.expect(422).page();
        assert_eq!(error_of(&page, "current-password").as_deref(), Some("This is not your current password."));
        assert_eq!(value_of(&page, "email"), "ada@new");
        let page = change("bob@example.com", PASSWORD).await.expect(409).page();
        assert_eq!(error_of(&page, "email").as_deref(), Some("There is an account with this email address already."));
        change("ada@new.example", PASSWORD).await.leads_to("/account/email?done=email_requested");
        let page = visitor.page("/account/email?done=email_requested").await;
        assert!(page.contains("<bdi>ada@new.example</bdi>") && page.contains("ada@example.com"), "{page}");
        assert!(visitor.page("/account/").await.contains("Waiting for you to confirm"));
        let letter = mailbox.wait_for("ada@new.example", "confirm your new email").await;
        let (path, token) = opened(&visitor, &letter).await;
        visitor.submit(&path, &[("token", &token)]).await.leads_to("/account/?done=verified");
        let page = visitor.page("/account/email").await;
        assert!(page.contains("<bdi>ada@new.example</bdi>") && page.contains("Confirmed"), "{page}");
        let letter = mailbox.wait_for("ada@example.com", "was changed").await;
        let (path, token) = opened(&Visitor::new(&app), &letter).await;
        assert_eq!(path, "/account/revert");
        visitor.submit(&path, &[("token", &token)]).await.leads_to("/account/sign-in?done=reverted");
        assert_eq!((visitor.cookie(), app.rows("sessions")), (None, 0));
        is_over(&visitor.submit(&path, &[("token", &token)]).await.expect(400).page());
        let letter = mailbox.wait_for("ada@example.com", "Set a new password").await;
        let (path, token) = opened(&visitor, &letter).await;
        visitor.submit(&path, &[("token", &token), ("new_password", NEW)]).await.leads_to("/account/sign-in?done=reset");
        let form = [("email", "ada@example.com"), ("password", NEW)];
        visitor.submit("/account/sign-in", &form).await.leads_to("/account/");
    }

    async fn a_change_is_cancelled_and_a_link_is_sent_again(app: App) {
        let (app, mailbox) = shop(&app, &[]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        mailbox.wait_for("ada@example.com", "confirm your email").await;
        visitor.submit("/account/email", &[("action", "resend")]).await.leads_to("/account/email?done=verification_sent");
        mailbox.wait_for("ada@example.com", "confirm your email").await;
        let form = [("action", "change"), ("email", "ada@new.example"), ("current_password", PASSWORD)];
        visitor.submit("/account/email", &form).await.leads_to("/account/email?done=email_requested");
        let letter = mailbox.wait_for("ada@new.example", "confirm your new email").await;
        visitor.submit("/account/email", &[("action", "cancel")]).await.leads_to("/account/email?done=email_cancelled");
        is_over(&visitor.submit("/account/verify", &[("token", &letter.token())]).await.expect(400).page());
        for form in [&[("action", "other")][..], &[]] {
            let page = visitor.submit("/account/email", form).await.expect(400).page();
            assert_eq!(heading(&page), "Email address");
        }
    }

    async fn too_many_mails_are_a_page_that_says_so(app: App) {
        let (app, _mailbox) = shop(&app, &[("CLIENTELE__THROTTLE__MAIL_BURST", "1"), ("CLIENTELE__THROTTLE__MAIL_PER_HOUR", "1")]);
        let visitor = Visitor::new(&app);
        visitor.submit("/account/forgot", &[("email", "ada@example.com")]).await.expect(303);
        let reply = visitor.submit("/account/forgot", &[("email", "ada@example.com")]).await.expect(429);
        assert!(reply.header("retry-after").is_some());
        assert_eq!(value_of(&reply.page(), "email"), "ada@example.com");
    }

    async fn where_an_email_must_be_confirmed_first_the_pages_say_so(app: App) {
        let (app, mailbox) = shop(&app, &[("CLIENTELE__AUTH__VERIFIED_EMAIL", "required")]);
        let visitor = Visitor::new(&app);
        let form = [("email", "ada@example.com"), ("first_name", "Ada"), ("last_name", ""), ("password", PASSWORD)];
        visitor.submit("/account/register", &form).await.leads_to("/account/sign-in?notice=unverified");
        assert!(visitor.page("/account/sign-in?notice=unverified").await.contains("Please confirm your email address"));
        let letter = mailbox.wait_for("ada@example.com", "confirm your email").await;
        let sign_in = [("email", "ada@example.com"), ("password", PASSWORD)];
        let page = visitor.submit("/account/sign-in", &sign_in).await.expect(403).page();
        assert!(page.contains("We just sent a new link to your email address."), "{page}");
        // The newer link replaces the older one.
        let newer = mailbox.wait_for("ada@example.com", "confirm your email").await;
        is_over(&visitor.submit("/account/verify", &[("token", &letter.token())]).await.expect(400).page());
        let token = newer.token();
        visitor.submit("/account/verify", &[("token", &token)]).await.leads_to("/account/sign-in?done=verified");
        visitor.submit("/account/sign-in", &sign_in).await.leads_to("/account/");
    }

    async fn an_email_that_was_typed_too_late_is_there_after_signing_in(app: App) {
        let (app, _mailbox) = shop(&app, &[]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        app.execute("DELETE FROM sessions");
        let form = [("action", "change"), ("email", "ada@new.example"), ("current_password", PASSWORD)];
        let page = visitor.submit("/account/email", &form).await.expect(401).page();
        assert!(!page.contains(PASSWORD), "{page}");
        let hidden = ["next", "carried.owner", "carried.email"].map(|name| (name, value_of(&page, name)));
        let mut form: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form.extend([("email", "ada@example.com"), ("password", PASSWORD)]);
        let page = visitor.submit("/account/sign-in", &form).await.expect(200).page();
        assert_eq!((heading(&page), value_of(&page, "email")), ("Email address", "ada@new.example".to_owned()));
    }
}
