//! `auth.verified_email = "required"`: whoever has not verified the email does not sign in.

use super::{NEW, OLD, Shop};
use crate::harness::{Binary, on_both_databases, registration};

const ROSA: &str = "rosa@example.com";
const REQUIRED: (&str, &str) = ("CLIENTELE__AUTH__VERIFIED_EMAIL", "required");

on_both_databases! {
    async fn a_sign_in_before_the_email_is_verified_is_403_and_mails_a_new_link(app: App) {
        let shop = Shop::with(&app, &[REQUIRED]);
        shop.app.register(&registration(ROSA)).await.expect(201);
        let first = shop.verification(ROSA).await;
        let reply = shop.app.sign_in(ROSA, OLD).await;
        reply.problem(403, "email_unverified");
        assert!(reply.header("www-authenticate").is_some_and(|text| text.contains("insufficient_scope")));
        assert_eq!(app.rows("sessions"), 0);
        let second = shop.verification(ROSA).await;
        super::is_invalid(&shop.verify(&first).await);
        // Whoever does not know the password learns nothing.
        shop.app.sign_in(ROSA, "wrong").await.problem(401, "bad_credentials");
        shop.app.sign_in("nobody@example.com", OLD).await.problem(401, "bad_credentials");
        shop.verify(&second).await.expect(204);
        let rosa = shop.signs_in(ROSA, OLD).await;
        assert_eq!(shop.kinds(&rosa).await, ["registration", "sign_in_failed", "sign_in_failed", "email_verified", "sign_in"]);
    }

    async fn repeated_sign_ins_do_not_flood_the_mailbox(app: App) {
        let shop = Shop::with(&app, &[REQUIRED, ("CLIENTELE__THROTTLE__MAIL_BURST", "2")]);
        shop.app.register(&registration(ROSA)).await.expect(201);
        for _ in 0..8 {
            shop.app.sign_in(ROSA, OLD).await.problem(403, "email_unverified");
        }
        shop.mailbox.settle(&app).await;
        // That of the registration, and two more.
        assert_eq!(shop.mailbox.letters().len(), 3);
        assert_eq!(app.rows("links"), 1);
    }

    async fn a_reset_verifies_the_email_too(app: App) {
        let shop = Shop::with(&app, &[REQUIRED]);
        shop.app.register(&registration(ROSA)).await.expect(201);
        shop.reset(&shop.reset_link(ROSA).await, NEW).await.expect(204);
        let rosa = shop.signs_in(ROSA, NEW).await;
        // A changed email has to be verified for the next sign-in; sessions go on.
        shop.patch_email(&rosa, "new@example.com").await;
        shop.app.sign_in("new@example.com", NEW).await.problem(403, "email_unverified");
        shop.app.profile(&rosa).await.expect(200);
        shop.app.refresh(&rosa.refresh).await.expect(200);
    }

    async fn a_disabled_account_is_told_so_first(app: App) {
        let shop = Shop::with(&app, &[REQUIRED]);
        shop.app.register(&registration(ROSA)).await.expect(201);
        Binary::on(app.database_url()).run(&["customer", "disable", ROSA]).done();
        shop.mailbox.settle(&app).await;
        let before = shop.mailbox.letters().len();
        shop.app.sign_in(ROSA, OLD).await.problem(403, "account_disabled");
        shop.mailbox.settle(&app).await;
        assert_eq!(shop.mailbox.letters().len(), before);
    }
}

#[test]
fn it_needs_mail() {
    for command in ["serve", "config"] {
        let arguments: &[&str] = if command == "serve" { &["serve"] } else { &["config", "check"] };
        let binary = Binary::bare().with("CLIENTELE__MAIL__TRANSPORT", "none").with(REQUIRED.0, REQUIRED.1);
        binary.run(arguments).refused(2, &["auth.verified_email", "mail.transport"]);
    }
    Binary::bare().with(REQUIRED.0, "always").run(&["config", "show"]).refused(2, &["auth.verified_email"]);
}
