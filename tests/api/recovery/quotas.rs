//! How many mails somebody can cause, and that this keeps nobody from recovering an account.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{NEW, OLD, Shop};
use crate::harness::{App, Reply, on_both_databases, registration};

const ROSA: &str = "rosa@example.com";
const PROXY: (&str, &str) = ("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1");

#[track_caller]
fn throttled(reply: &Reply) {
    reply.problem(429, "too_many_requests");
    assert!(reply.header("retry-after").and_then(|text| text.parse::<u64>().ok()).is_some_and(|seconds| seconds >= 1));
}

async fn forgot_from(shop: &Shop, number: usize, email: &str) -> Reply {
    let ask = shop.app.post("/auth/password/forgot/").header("X-Forwarded-For", &format!("203.0.{number}.9"));
    ask.json(&json!({"email": email})).send().await
}

on_both_databases! {
    async fn however_many_ask_a_mailbox_gets_three_links_and_the_last_one_works(app: App) {
        let shop = Shop::with(&app, &[PROXY]);
        shop.app.member(ROSA).await;
        let mut admitted = 0;
        for number in 0..40 {
            let reply = forgot_from(&shop, number, [ROSA, "ROSA@example.com"][number % 2]).await;
            match reply.status() {
                202 => admitted += 1,
                _ => throttled(&reply),
            }
        }
        assert_eq!(admitted, 3);
        // An email that nobody has is counted in the same way, and others have their own quota.
        for number in 0..5 {
            assert_eq!(forgot_from(&shop, number, "nobody@example.com").await.status(), if number < 3 { 202 } else { 429 });
        }
        shop.mailbox.settle(&app).await;
        let links = shop.mailbox.letters().into_iter().filter(|letter| letter.subject.contains("new password"));
        let tokens: Vec<String> = links.map(|letter| letter.token()).collect();
        assert_eq!(tokens.len(), 3);
        // The owner, who is told to wait, has a link in the mailbox.
        throttled(&shop.forgot(ROSA).await);
        shop.reset(&tokens[2], NEW).await.expect(204);
        shop.signs_in(ROSA, NEW).await;
    }

    async fn one_address_gets_its_burst_for_recovery_and_for_links_apart(app: App) {
        let shop = Shop::with(&app, &[("CLIENTELE__THROTTLE__ADDRESS_BURST", "3"), ("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1")]);
        for number in 0..3 {
            shop.forgot(&format!("{number}@example.com")).await.expect(202);
            match number {
                0 => super::is_invalid(&shop.reset("1.x", NEW).await),
                1 => super::is_invalid(&shop.verify("1.x").await),
                _ => super::is_invalid(&shop.revert("1.x").await),
            }
        }
        throttled(&shop.forgot("4@example.com").await);
        for reply in [shop.reset("1.x", NEW).await, shop.verify("1.x").await, shop.revert("1.x").await] {
            throttled(&reply);
        }
        // Before the body is read.
        throttled(&shop.app.post("/auth/password/forgot/").text("{").send().await);
    }

    async fn one_link_is_tried_with_as_many_passwords_as_an_account_may_be_guessed(app: App) {
        let shop = Shop::with(&app, &[("CLIENTELE__THROTTLE__ACCOUNT_BURST", "3"), ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "1")]);
        shop.app.member(ROSA).await;
        let token = shop.reset_link(ROSA).await;
        for _ in 0..3 {
            shop.reset(&token, "password1").await.fields(&[("#/new_password", "password_weak")]);
        }
        throttled(&shop.reset(&token, "password1").await);
        super::is_invalid(&shop.reset("1.x", NEW).await);
    }

    async fn verification_links_and_requested_changes_have_the_small_quota_too(app: App) {
        let shop = Shop::with(&app, &[]);
        let (rosa, jane) = (shop.app.member(ROSA).await, shop.app.member("jane@example.com").await);
        let path = format!("{}email/verification/", rosa.path());
        for number in 0..5 {
            let reply = shop.app.post(&path).token(&rosa.token).send().await;
            assert_eq!(reply.status(), if number < 3 { 202 } else { 429 });
        }
        for number in 0..5 {
            let reply = shop.request_change(&rosa, &format!("next{number}@example.com"), OLD).await;
            assert_eq!(reply.status(), if number < 3 { 202 } else { 429 });
        }
        // Of one mailbox, whoever asks.
        shop.request_change(&jane, "next0@example.com", OLD).await.expect(202);
        shop.request_change(&jane, "next0@example.com", OLD).await.expect(202);
        throttled(&shop.request_change(&jane, "next0@example.com", OLD).await);
        // Wrong passwords cause no mail.
        shop.request_change(&jane, "next7@example.com", "wrong").await.fields(&[("#/current_password", "incorrect")]);
    }

    async fn what_is_refused_sends_no_mail_and_does_not_count(app: App) {
        let shop = Shop::open(&app);
        let rosa = shop.app.member(ROSA).await;
        for number in 0..6 {
            shop.app.register(&registration(ROSA)).await.problem(409, "email_taken");
            let taken = json!({"email": format!("nobody{number}@example.com"), "current_password": "wrong"});
            let ask = shop.app.post(&format!("{}email/", rosa.path())).token(&rosa.token).json(&taken);
            ask.send().await.fields(&[("#/current_password", "incorrect")]);
        }
        shop.app.delete(&rosa.path()).token(&rosa.token).send().await.expect(204);
        shop.app.register(&registration(ROSA)).await.expect(201);
    }

    async fn throttling_can_be_turned_off(app: App) {
        let shop = Shop::with(&app, &[("CLIENTELE__THROTTLE__ENABLED", "false")]);
        for _ in 0..10 {
            shop.forgot(ROSA).await.expect(202);
        }
    }
}

/// Prints the medians of two hundred requests each, for docs/performance.md:
/// `cargo test --release --test api -- --nocapture how_long_a_forgotten_password_takes`
async fn medians(app: App) {
    let shop = Shop::with(&app, &[("CLIENTELE__THROTTLE__ENABLED", "false")]);
    shop.app.register(&registration(ROSA)).await.expect(201);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..400 {
        let started = Instant::now();
        match number % 2 {
            0 => {
                shop.forgot(ROSA).await.expect(202);
                known.push(started.elapsed());
            }
            _ => {
                shop.forgot("nobody@example.com").await.expect(202);
                unknown.push(started.elapsed());
            }
        }
    }
    let [known, unknown] = [known, unknown].map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!(
        "{:?}: known {known:?}, unknown {unknown:?}, ratio {:.3}",
        app.backend(),
        known.as_secs_f64() / unknown.as_secs_f64()
    );
    assert!(known.max(unknown) < Duration::from_secs(2));
}

on_both_databases! {
    async fn how_long_a_forgotten_password_takes_does_not_depend_on_the_email(app: App) {
        medians(app).await;
    }
}
