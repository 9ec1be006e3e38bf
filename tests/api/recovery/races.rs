//! One link and many requests at once: one of them has an effect.

use clientele::tokens::LinkKind;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{NEW, Shop, is_invalid, is_out};
use crate::harness::{App, Reply, on_both_databases};

const ROSA: &str = "rosa@example.com";

/// Fifty requests at once, half of them to another instance on the same database. Checks that one has an effect.
async fn one_of_fifty(shop: &Shop, other: &App, path: &str, body: &Value) {
    let post = |number: usize| {
        let instance = if number.is_multiple_of(2) { &shop.app } else { other };
        instance.post(path).json(body).send()
    };
    let replies: Vec<Reply> = join_all((0..50).map(post)).await;
    let (done, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status() == 204);
    assert_eq!((done.len(), refused.len()), (1, 49), "{path}: {replies:?}");
    refused.iter().for_each(|reply| is_invalid(reply));
}

on_both_databases! {
    async fn of_fifty_resets_with_one_link_one_sets_the_password(app: App) {
        let shop = Shop::open(&app);
        let other = shop.mailbox.instance(&app, &[]);
        let rosa = shop.app.member(ROSA).await;
        let token = shop.reset_link(ROSA).await;
        one_of_fifty(&shop, &other, "/auth/password/reset/", &json!({"token": token, "new_password": NEW})).await;
        is_out(&app, &rosa).await;
        let again = shop.signs_in(ROSA, NEW).await;
        assert_eq!(shop.kinds(&again).await, ["registration", "sign_in", "password_reset", "sign_in"]);
    }

    async fn one_instance_alone_lets_one_of_fifty_resets_through(app: App) {
        let shop = Shop::open(&app);
        shop.app.member(ROSA).await;
        let token = shop.reset_link(ROSA).await;
        one_of_fifty(&shop, &shop.app, "/auth/password/reset/", &json!({"token": token, "new_password": NEW})).await;
        shop.signs_in(ROSA, NEW).await;
    }

    async fn of_fifty_uses_of_any_other_link_one_has_an_effect(app: App) {
        let shop = Shop::open(&app);
        let other = shop.mailbox.instance(&app, &[]);
        let rosa = shop.app.member(ROSA).await;
        let verify = shop.verification(ROSA).await;
        one_of_fifty(&shop, &other, "/auth/email/verify/", &json!({"token": verify})).await;
        let change = app.link(&rosa, LinkKind::EmailChange, Some("next@example.com"));
        one_of_fifty(&shop, &other, "/auth/email/verify/", &json!({"token": change})).await;
        assert_eq!(shop.kinds(&rosa).await, ["registration", "sign_in", "email_verified", "email_change"]);
        let revert = shop.revert_link(ROSA).await;
        one_of_fifty(&shop, &other, "/auth/email/revert/", &json!({"token": revert})).await;
        assert_eq!(app.texts("SELECT email AS value FROM customers"), [ROSA]);
        assert_eq!(app.number("SELECT version AS value FROM customers"), 3);
    }

    async fn of_many_who_switch_to_one_email_one_gets_it_and_the_others_keep_their_links(app: App) {
        let shop = Shop::open(&app);
        let other = shop.mailbox.instance(&app, &[]);
        let crowd = app.crowd(20);
        let tokens: Vec<String> =
            crowd.iter().map(|person| app.link(person, LinkKind::EmailChange, Some("wanted@example.com"))).collect();
        let verify = |(number, token): (usize, &String)| {
            let instance = if number.is_multiple_of(2) { &shop.app } else { &other };
            instance.post("/auth/email/verify/").json(&json!({"token": token})).send()
        };
        let replies: Vec<Reply> = join_all(tokens.iter().enumerate().map(verify)).await;
        assert_eq!(replies.iter().filter(|reply| reply.status() == 204).count(), 1, "{replies:?}");
        for reply in replies.iter().filter(|reply| reply.status() != 204) {
            reply.problem(409, "email_taken");
        }
        assert_eq!(app.number("SELECT COUNT(*) AS value FROM links WHERE kind = 'email_change'"), 19);
    }

    async fn no_sign_in_with_the_old_password_outlives_a_reset(app: App) {
        let shop = Shop::open(&app);
        for round in 0..4 {
            let email = format!("rosa{round}@example.com");
            let rosa = shop.app.member(&email).await;
            let token = app.link(&rosa, LinkKind::Reset, None);
            let sign_ins = join_all((0..12).map(|_| shop.app.sign_in(&email, crate::harness::PASSWORD)));
            let (replies, reset) = futures_util::future::join(sign_ins, shop.reset(&token, NEW)).await;
            reset.expect(204);
            for reply in &replies {
                assert!([200, 401].contains(&reply.status()), "{}", reply.text());
            }
            let sessions = format!("SELECT COUNT(*) AS value FROM sessions WHERE customer_id = {}", rosa.id);
            assert_eq!(app.number(&sessions), 0, "round {round}");
        }
    }

    async fn an_erasure_that_races_with_a_reset_leaves_nothing(app: App) {
        let shop = Shop::open(&app);
        for round in 0..6 {
            let rosa = shop.app.member(&format!("rosa{round}@example.com")).await;
            let token = app.link(&rosa, LinkKind::Reset, None);
            let erase = shop.app.delete(&rosa.path()).token(&rosa.token).send();
            let (reset, erased) = futures_util::future::join(shop.reset(&token, NEW), erase).await;
            assert!([(204, 401), (400, 204), (204, 204)].contains(&(reset.status(), erased.status())), "{reset:?} {erased:?}");
            if erased.status() == 204 {
                for table in ["links", "passwords", "sessions"] {
                    let rows = format!("SELECT COUNT(*) AS value FROM {table} WHERE customer_id = {}", rosa.id);
                    assert_eq!(app.number(&rows), 0, "{table}");
                }
            }
        }
    }
}
