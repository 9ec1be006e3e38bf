//! One answer to every link that cannot be used.

use clientele::tokens::LinkKind;
use serde_json::json;

use super::{NEW, OLD, Shop, is_invalid};
use crate::harness::on_both_databases;

const ROSA: &str = "rosa@example.com";
const ROUTES: [&str; 3] = ["/auth/password/reset/", "/auth/email/verify/", "/auth/email/revert/"];

/// Uses a token where it might be taken for a good one.
async fn used(shop: &Shop, route: &str, token: &str) -> crate::harness::Reply {
    let body = match route {
        "/auth/password/reset/" => json!({"token": token, "new_password": NEW}),
        _ => json!({"token": token}),
    };
    shop.post(route, body).await
}

on_both_databases! {
    async fn what_was_never_a_link_is_invalid(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let good = app.link(&rosa, LinkKind::Reset, None);
        let (id, secret) = good.split_once('.').expect("two parts");
        let other = app.link(&rosa, LinkKind::Reset, None);
        let mixed = format!("{id}.{}", other.split_once('.').expect("two parts").1);
        let texts = [
            "", ".", "x", "1", "1.", ".x", "-1.x", "0.x", &format!("{id}."), id, secret, &format!("0{good}"), &format!("{good}A"),
            &good[..good.len() - 1], &good.to_lowercase(), &mixed, &"9".repeat(40), &format!("{}.{secret}", "9".repeat(19)),
            "1'; DROP TABLE links; --", "\u{0}", "é.é", &"x".repeat(50_000), &rosa.token, &rosa.refresh,
        ];
        for route in ROUTES {
            for text in texts {
                is_invalid(&used(&shop, route, text).await);
            }
        }
        shop.reset(&good, NEW).await.expect(204);
    }

    async fn a_link_of_another_kind_is_invalid_and_stays_what_it_is(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let verify = app.link(&rosa, LinkKind::Verify, None);
        let change = app.link(&rosa, LinkKind::EmailChange, Some("new@example.com"));
        let revert = app.link(&rosa, LinkKind::Revert, Some("old@example.com"));
        let reset = app.link(&rosa, LinkKind::Reset, None);
        for (token, own) in [(&reset, 0), (&verify, 1), (&change, 1), (&revert, 2)] {
            for (number, route) in ROUTES.into_iter().enumerate().filter(|(number, _)| *number != own) {
                let reply = used(&shop, route, token).await;
                assert_eq!((number, reply.status()), (number, 400));
                is_invalid(&reply);
            }
        }
        shop.verify(&verify).await.expect(204);
        shop.verify(&change).await.expect(204);
        shop.revert(&revert).await.expect(204);
        // It ended with the change of the email.
        is_invalid(&shop.reset(&reset, NEW).await);
    }

    async fn a_link_is_invalid_after_its_time_and_is_swept(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let tokens = [
            app.link(&rosa, LinkKind::Reset, None), app.link(&rosa, LinkKind::Verify, None),
            app.link(&rosa, LinkKind::Revert, Some("old@example.com")),
        ];
        shop.mailbox.settle(&app).await;
        shop.expire();
        for (route, token) in ROUTES.into_iter().zip(&tokens) {
            is_invalid(&used(&shop, route, token).await);
        }
        assert!(app.rows("links") >= 3);
        // The sweep comes when an instance starts, and each minute.
        drop(app.instance(&[]));
        let started = std::time::Instant::now();
        while app.rows("links") > 0 {
            assert!(started.elapsed() < std::time::Duration::from_secs(30), "links are not swept");
            actix_rt::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        shop.signs_in(ROSA, OLD).await;
    }

    async fn links_last_as_long_as_the_mails_say(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.verified(ROSA).await;
        shop.reset_link(ROSA).await;
        shop.request_change(&rosa, "new@example.com", OLD).await.expect(202);
        shop.patch_email(&rosa, "other@example.com").await;
        shop.verification("other@example.com").await;
        shop.reset_link("other@example.com").await;
        shop.request_change(&rosa, "new@example.com", OLD).await.expect(202);
        let seconds = |kind: &str| match app.backend() {
            crate::harness::Backend::Sqlite => app.number(&format!(
                "SELECT CAST((julianday(expires_at) - julianday('now')) * 86400 AS INTEGER) AS value FROM links WHERE kind = '{kind}'"
            )),
            crate::harness::Backend::Postgres => app.number(&format!(
                "SELECT CAST(EXTRACT(EPOCH FROM expires_at - (now() AT TIME ZONE 'UTC')) AS BIGINT) AS value FROM links WHERE kind = '{kind}'"
            )),
        };
        shop.mailbox.settle(&app).await;
        for (kind, hours) in [("verify", 24), ("reset", 1), ("email_change", 24), ("revert", 7 * 24)] {
            let left = hours * 3600 - seconds(kind);
            assert!((-1..60).contains(&left), "{kind}: {left}");
        }
    }

    async fn a_body_without_a_token_is_told_what_it_lacks(app: App) {
        let shop = Shop::open(&app);
        for route in ROUTES {
            let lacking: &[(&str, &str)] = if route.contains("reset/") {
                &[("#/token", "required"), ("#/new_password", "required")]
            } else {
                &[("#/token", "required")]
            };
            shop.post(route, json!({})).await.fields(lacking);
            let of = |token| if route.contains("reset/") { json!({"token": token, "new_password": NEW}) } else { json!({"token": token}) };
            shop.post(route, of(json!(null))).await.fields(&[("#/token", "null")]);
            shop.post(route, of(json!(7))).await.fields(&[("#/token", "type")]);
            shop.post(route, json!({"token": 7, "new_password": NEW, "x": 1})).await.expect(422);
            shop.app.post(route).text("{").send().await.problem(400, "malformed_json");
            shop.app.post(route).body("token=x").send().await.problem(415, "unsupported_media_type");
            shop.app.get(route).send().await.problem(405, "method_not_allowed");
        }
        let forgot = "/auth/password/forgot/";
        shop.post(forgot, json!({})).await.fields(&[("#/email", "required")]);
        for email in [json!("no email"), json!(""), json!("a@b@c")] {
            shop.post(forgot, json!({"email": email})).await.expect(422);
        }
        shop.post(forgot, json!({"email": ROSA, "x": 1})).await.fields(&[("#/x", "unknown_field")]);
        assert_eq!(app.rows("outbox"), 0);
    }

    async fn the_database_holds_no_token(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        let token = shop.reset_link(ROSA).await;
        shop.patch_email(&rosa, "new@example.com").await;
        let revert = shop.revert_link(ROSA).await;
        for column in ["id", "customer_id", "kind", "hash", "email", "expires_at"] {
            let held = app.texts(&format!("SELECT CAST({column} AS TEXT) AS value FROM links"));
            for token in [&token, &revert] {
                let secret = token.split_once('.').expect("two parts").1;
                assert!(held.iter().all(|text| !text.contains(secret)), "{column}");
            }
        }
    }
}
