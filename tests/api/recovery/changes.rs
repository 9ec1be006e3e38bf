//! A change of the email that is confirmed by a link to the new one.

use clientele::tokens::LinkKind;
use serde_json::json;

use super::{NEW, OLD, Shop, id_of, is_invalid, settled};
use crate::harness::{Reply, on_both_databases};

const ROSA: &str = "rosa@example.com";
const NEXT: &str = "next@example.com";

on_both_databases! {
    async fn the_email_changes_when_the_link_to_the_new_one_is_used(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        assert_eq!(shop.request_change(&rosa, "Next@example.com", OLD).await.expect(202).text(), "");
        shop.mailbox.wait_for(ROSA, "about to change").await;
        let token = shop.confirmation("Next@example.com").await;
        let state = shop.email(&rosa).await;
        assert_eq!((&state["email"], &state["verified"]), (&json!(ROSA), &json!(true)));
        assert_eq!(state["pending"]["email"], "Next@example.com");
        assert!(state["pending"]["expires"].as_str().is_some_and(|time| time.ends_with('Z')), "{state}");
        assert_eq!(shop.app.show(&rosa).await["email"], ROSA);
        shop.signs_in(ROSA, OLD).await;
        shop.verify(&token).await.expect(204);
        assert_eq!(shop.email(&rosa).await, settled("Next@example.com", true));
        assert_eq!((&shop.app.show(&rosa).await["email"], shop.app.etag(&rosa).await.as_str()), (&json!("Next@example.com"), "\"2\""));
        app.sign_in(ROSA, OLD).await.problem(401, "bad_credentials");
        shop.signs_in(NEXT, OLD).await;
        is_invalid(&shop.verify(&token).await);
        let kinds = ["registration", "sign_in", "email_verified", "sign_in", "email_change", "sign_in"];
        assert_eq!(shop.kinds(&rosa).await, kinds);
    }

    async fn the_notice_to_the_old_email_reverts_a_confirmed_change(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.request_change(&rosa, NEXT, OLD).await.expect(202);
        shop.verify(&shop.confirmation(NEXT).await).await.expect(204);
        shop.revert(&shop.revert_link(ROSA).await).await.expect(204);
        let token = shop.mailbox.wait_for(ROSA, "Set a new password").await.token();
        shop.reset(&token, NEW).await.expect(204);
        assert_eq!(shop.email(&shop.signs_in(ROSA, NEW).await).await, settled(ROSA, true));
    }

    async fn a_change_can_be_forgotten_and_replaced(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        let path = format!("{}email/", rosa.path());
        shop.request_change(&rosa, NEXT, OLD).await.expect(202);
        let first = shop.confirmation(NEXT).await;
        shop.request_change(&rosa, "other@example.com", OLD).await.expect(202);
        let second = shop.confirmation("other@example.com").await;
        assert_eq!(shop.email(&rosa).await["pending"]["email"], "other@example.com");
        is_invalid(&shop.verify(&first).await);
        for _ in 0..2 {
            shop.app.delete(&path).token(&rosa.token).send().await.expect(204);
            assert_eq!(shop.email(&rosa).await, settled(ROSA, true));
        }
        is_invalid(&shop.verify(&second).await);
        // One whose time is over is not shown.
        shop.request_change(&rosa, NEXT, OLD).await.expect(202);
        let third = shop.confirmation(NEXT).await;
        shop.mailbox.settle(&app).await;
        shop.expire();
        assert_eq!(shop.email(&rosa).await, settled(ROSA, true));
        is_invalid(&shop.verify(&third).await);
    }

    async fn a_change_that_is_forgotten_before_its_mail_is_sent_is_not_mailed(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        let token = app.link(&rosa, LinkKind::EmailChange, Some(NEXT));
        shop.hold_back(&rosa, id_of(&token), &json!({"mail": "confirm_email", "language": "en"}));
        assert_eq!(shop.email(&rosa).await["pending"]["email"], NEXT);
        shop.app.delete(&format!("{}email/", rosa.path())).token(&rosa.token).send().await.expect(204);
        shop.release().await;
        assert!(shop.mailbox.letters().iter().all(|letter| letter.to == ROSA));
    }

    async fn the_current_password_is_checked_as_for_a_new_one(app: App) {
        let shop = Shop::with(&app, &[("CLIENTELE__THROTTLE__ACCOUNT_BURST", "3"), ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "1")]);
        let rosa = shop.app.member(ROSA).await;
        let wrong = |reply: Reply| reply.fields(&[("#/current_password", "incorrect")]);
        wrong(shop.request_change(&rosa, NEXT, "wrong").await);
        // Guesses at both routes are counted together.
        let change = json!({"current_password": "wrong", "new_password": NEW});
        let password = format!("{}password/", rosa.path());
        wrong(shop.app.post(&password).token(&rosa.token).json(&change).send().await);
        wrong(shop.request_change(&rosa, NEXT, "wrong").await);
        shop.request_change(&rosa, NEXT, OLD).await.problem(429, "too_many_requests");
        assert_eq!(shop.email(&rosa).await["pending"], json!(null));
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM links WHERE kind = 'email_change'"), 0);
    }

    async fn what_cannot_become_the_email_is_refused(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        shop.app.member("jane@example.com").await;
        for (email, code) in [("no email", "format"), ("", "too_short"), ("rosa@EXAMPLE.com", "taken")] {
            shop.request_change(&rosa, email, OLD).await.fields(&[("#/email", code)]);
        }
        shop.request_change(&rosa, "JANE@example.com", OLD).await.problem(409, "email_taken");
        // Whether an email is taken is told only to whoever knows the password.
        shop.request_change(&rosa, "jane@example.com", "wrong").await.fields(&[("#/current_password", "incorrect")]);
        let path = format!("{}email/", rosa.path());
        let post = |body| shop.app.post(&path).token(&rosa.token).json(&body).send();
        post(json!({})).await.fields(&[("#/email", "required"), ("#/current_password", "required")]);
        post(json!({"email": null, "current_password": 7, "x": 1})).await
            .fields(&[("#/email", "null"), ("#/current_password", "type"), ("#/x", "unknown_field")]);
        assert_eq!(shop.email(&rosa).await, settled(ROSA, false));
    }

    async fn a_customer_without_a_password_cannot_request_a_change(app: App) {
        let shop = Shop::open(&app);
        let john = app.john();
        shop.request_change(&john, NEXT, OLD).await.fields(&[("#/current_password", "incorrect")]);
    }

    async fn an_email_that_is_taken_in_the_meantime_is_409_until_it_is_free_again(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.request_change(&rosa, NEXT, OLD).await.expect(202);
        let token = shop.confirmation(NEXT).await;
        let other = shop.app.member(NEXT).await;
        for _ in 0..2 {
            shop.verify(&token).await.problem(409, "email_taken");
        }
        assert_eq!((&shop.email(&rosa).await["email"], shop.app.etag(&rosa).await.as_str()), (&json!(ROSA), "\"1\""));
        assert!(!shop.kinds(&rosa).await.contains(&"email_change".to_owned()));
        shop.app.delete(&other.path()).token(&other.token).send().await.expect(204);
        shop.verify(&token).await.expect(204);
        assert_eq!(shop.email(&rosa).await, settled(NEXT, true));
    }

    async fn a_change_of_password_or_email_and_a_reset_end_a_pending_change(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.request_change(&rosa, NEXT, OLD).await.expect(202);
        let first = shop.confirmation(NEXT).await;
        let change = json!({"current_password": OLD, "new_password": NEW});
        shop.app.post(&format!("{}password/", rosa.path())).token(&rosa.token).json(&change).send().await.expect(204);
        is_invalid(&shop.verify(&first).await);
        shop.request_change(&rosa, NEXT, NEW).await.expect(202);
        let second = shop.confirmation(NEXT).await;
        shop.patch_email(&rosa, "other@example.com").await;
        is_invalid(&shop.verify(&second).await);
        shop.request_change(&rosa, NEXT, NEW).await.expect(202);
        let third = shop.confirmation(NEXT).await;
        shop.reset(&shop.reset_link("other@example.com").await, OLD).await.expect(204);
        is_invalid(&shop.verify(&third).await);
        assert_eq!(shop.email(&shop.signs_in("other@example.com", OLD).await).await, settled("other@example.com", true));
    }
}
