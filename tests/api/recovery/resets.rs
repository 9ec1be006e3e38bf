//! A forgotten password: a link is mailed, and sets a new one.

use std::collections::BTreeSet;

use serde_json::json;

use super::{NEW, OLD, Shop, is_invalid, is_out, settled};
use crate::harness::{Binary, Reply, on_both_databases};

const ROSA: &str = "rosa@example.com";

on_both_databases! {
    async fn a_forgotten_password_is_replaced_by_the_link_that_is_mailed(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let phone = shop.signs_in(ROSA, OLD).await;
        assert_eq!(shop.email(&rosa).await, settled(ROSA, false));
        let token = shop.reset_link(ROSA).await;
        // Nothing has changed before the link is used.
        shop.app.profile(&rosa).await.expect(200);
        assert_eq!(shop.reset(&token, NEW).await.expect(204).text(), "");
        is_out(&app, &rosa).await;
        is_out(&app, &phone).await;
        app.sign_in(ROSA, OLD).await.problem(401, "bad_credentials");
        let again = shop.signs_in(ROSA, NEW).await;
        assert_eq!(shop.email(&again).await, settled(ROSA, true));
        shop.mailbox.wait_for(ROSA, "You have a new password").await;
        assert_eq!(shop.kinds(&again).await, ["registration", "sign_in", "sign_in", "password_reset", "sign_in_failed", "sign_in"]);
        is_invalid(&shop.reset(&token, OLD).await);
        assert_eq!(shop.links(), Vec::<String>::new());
    }

    async fn any_spelling_of_the_email_will_do(app: App) {
        let shop = Shop::open(&app);
        shop.app.member("Rosa@Bücher.example").await;
        shop.forgot(" ROSA@xn--bcher-kva.EXAMPLE").await.expect(202);
        let token = shop.mailbox.wait_for("Rosa@xn--bcher-kva.example", "Set a new password").await.token();
        shop.reset(&token, NEW).await.expect(204);
        shop.signs_in("Rosa@Bücher.example", NEW).await;
    }

    async fn an_email_that_nobody_has_gets_the_same_answer_and_no_mail(app: App) {
        let shop = Shop::open(&app);
        shop.app.member(ROSA).await;
        let headers = |reply: &Reply| reply.headers_like("").into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        let known = shop.forgot(ROSA).await.expect(202);
        let unknown = shop.forgot("nobody@example.com").await.expect(202);
        assert_eq!((known.text(), headers(&known)), (unknown.text(), headers(&unknown)));
        shop.mailbox.wait_for(ROSA, "Set a new password").await;
        shop.mailbox.settle(&app).await;
        assert!(shop.mailbox.letters().iter().all(|letter| letter.to == ROSA));
    }

    async fn the_link_is_checked_before_the_password_and_outlives_a_bad_one(app: App) {
        let shop = Shop::open(&app);
        shop.app.member(ROSA).await;
        let token = shop.reset_link(ROSA).await;
        for password in ["short", "password1", &"x".repeat(257)] {
            is_invalid(&shop.reset("1.x", password).await);
        }
        shop.reset(&token, "short").await.fields(&[("#/new_password", "too_short")]);
        shop.reset(&token, &"x".repeat(257)).await.fields(&[("#/new_password", "too_long")]);
        // What is known about the customer makes it weak.
        for password in ["password1", "RosaDelgado1", ROSA] {
            shop.reset(&token, password).await.fields(&[("#/new_password", "password_weak")]);
        }
        let both = json!({"token": token, "new_password": 7, "colour": "red"});
        shop.post("/auth/password/reset/", both).await.fields(&[("#/new_password", "type"), ("#/colour", "unknown_field")]);
        shop.reset(&format!(" {token}\n"), NEW).await.expect(204);
    }

    async fn a_newer_link_ends_the_older(app: App) {
        let shop = Shop::open(&app);
        shop.app.member(ROSA).await;
        let first = shop.reset_link(ROSA).await;
        let second = shop.reset_link(ROSA).await;
        is_invalid(&shop.reset(&first, NEW).await);
        shop.reset(&second, NEW).await.expect(204);
    }

    async fn a_change_of_the_password_or_the_email_ends_a_link(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let token = shop.reset_link(ROSA).await;
        let change = json!({"current_password": OLD, "new_password": NEW});
        shop.app.post(&format!("{}password/", rosa.path())).token(&rosa.token).json(&change).send().await.expect(204);
        is_invalid(&shop.reset(&token, OLD).await);
        let token = shop.reset_link(ROSA).await;
        shop.patch_email(&rosa, "new@example.com").await;
        is_invalid(&shop.reset(&token, OLD).await);
        shop.signs_in("new@example.com", NEW).await;
    }

    async fn a_customer_without_a_password_gets_one(app: App) {
        let shop = Shop::open(&app);
        app.customer(7, "legacy@example.com", "Legacy", "Customer");
        let token = shop.reset_link("legacy@example.com").await;
        shop.reset(&token, NEW).await.expect(204);
        assert_eq!(shop.email(&shop.signs_in("legacy@example.com", NEW).await).await["verified"], true);
    }

    async fn only_the_network_of_the_reset_is_known_afterwards(app: App) {
        let shop = Shop::open(&app);
        shop.app.member(ROSA).await;
        app.execute("UPDATE passwords SET networks = '203.0.113.0/24 198.51.100.0/24'");
        let token = shop.reset_link(ROSA).await;
        shop.reset(&token, NEW).await.expect(204);
        assert_eq!(app.texts("SELECT networks AS value FROM passwords"), ["127.0.0.0/24"]);
    }

    async fn a_disabled_account_gets_no_link_and_cannot_use_one(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let (reset, verify) = (shop.reset_link(ROSA).await, shop.verification(ROSA).await);
        shop.patch_email(&rosa, "new@example.com").await;
        let revert = shop.revert_link(ROSA).await;
        let again = shop.reset_link("new@example.com").await;
        let run = |command| assert_eq!(Binary::on(app.database_url()).run(&["customer", command, "new@example.com"]).done(), "");
        run("disable");
        for token in [&reset, &again] {
            is_invalid(&shop.reset(token, NEW).await);
        }
        is_invalid(&shop.verify(&verify).await);
        is_invalid(&shop.revert(&revert).await);
        shop.mailbox.settle(&app).await;
        let before = shop.mailbox.letters().len();
        shop.forgot("new@example.com").await.expect(202);
        shop.mailbox.settle(&app).await;
        assert_eq!(shop.mailbox.letters().len(), before);
        // An account that is enabled again can be recovered.
        run("enable");
        shop.reset(&again, NEW).await.expect(204);
    }

    async fn a_link_of_somebody_who_was_erased_is_invalid(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let (reset, verify) = (shop.reset_link(ROSA).await, shop.verification(ROSA).await);
        assert_eq!(shop.links().len(), 2);
        app.delete(&rosa.path()).token(&rosa.token).send().await.expect(204);
        assert_eq!(app.rows("links"), 0);
        is_invalid(&shop.reset(&reset, NEW).await);
        is_invalid(&shop.verify(&verify).await);
        // Not even for somebody with the same email.
        shop.app.member(ROSA).await;
        is_invalid(&shop.reset(&reset, NEW).await);
    }
}
