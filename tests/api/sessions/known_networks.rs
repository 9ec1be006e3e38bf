//! Whoever signs in from a network that has signed in to the account before is not held up by guesses from elsewhere.

use serde_json::json;

use crate::harness::{App, PASSWORD, Person, Reply, on_both_databases, registration};

const OWNER: &str = "198.51.100.7";
const EMAIL: &str = "rosa@example.com";
const NEW_PASSWORD: &str = "another fine Passw0rd!";

/// An instance behind a proxy, where three guesses are allowed for an account.
fn strict(app: &App) -> App {
    app.instance(&[
        ("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1"),
        ("CLIENTELE__THROTTLE__ACCOUNT_BURST", "3"),
        ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "1"),
    ])
}

async fn from(app: &App, address: &str, email: &str, password: &str) -> Reply {
    let credentials = json!({"email": email, "password": password});
    app.post("/auth/token/").header("X-Forwarded-For", address).json(&credentials).send().await
}

/// Guesses from many networks until the account takes no more.
async fn guess(app: &App, email: &str) {
    let mut number = 0;
    while from(app, &format!("203.0.{number}.9"), email, "wrong").await.status() != 429 {
        number += 1;
        assert!(number < 10, "guesses are not bounded");
    }
}

fn networks(app: &App) -> Vec<String> {
    app.texts("SELECT networks AS value FROM passwords")
}

/// Somebody who signed in from [`OWNER`], on a strict instance.
async fn owner(app: &App) -> (App, Person) {
    let member = app.member(EMAIL).await;
    let app = strict(app);
    from(&app, OWNER, EMAIL, PASSWORD).await.expect(200);
    (app, member)
}

on_both_databases! {
    async fn an_owner_always_gets_in_from_a_network_that_has_signed_in(app: App) {
        let (app, _) = owner(&app).await;
        // The same address, and its neighbours in the /24.
        for address in [OWNER, "198.51.100.200", "198.51.100.1:4711"] {
            guess(&app, EMAIL).await;
            for _ in 0..5 {
                from(&app, address, EMAIL, PASSWORD).await.expect(200);
            }
        }
        // From elsewhere the right password has to wait like any guess.
        from(&app, "192.0.2.1", EMAIL, PASSWORD).await.problem(429, "too_many_requests");
    }

    async fn guesses_from_a_thousand_networks_are_bounded_for_the_account(app: App) {
        let (app, _) = owner(&app).await;
        let mut checked = 0;
        for number in 0..1_000 {
            let address = format!("203.{}.{}.9", number / 250, number % 250);
            checked += usize::from(from(&app, &address, EMAIL, "wrong").await.status() == 401);
        }
        // Three at once, and one a minute.
        assert!((3..=5).contains(&checked), "{checked} guesses of a thousand were checked");
    }

    async fn guesses_from_a_known_network_are_bounded_too_and_hold_up_no_other(app: App) {
        let (app, _) = owner(&app).await;
        from(&app, "192.0.2.1", EMAIL, PASSWORD).await.expect(200);
        for _ in 0..3 {
            from(&app, "198.51.100.66", EMAIL, "wrong").await.problem(401, "bad_credentials");
        }
        from(&app, "198.51.100.66", EMAIL, "wrong").await.problem(429, "too_many_requests");
        from(&app, "192.0.2.1", EMAIL, PASSWORD).await.expect(200);
        // They did not count for the account: a new network has all of its tries.
        from(&app, "203.0.113.1", EMAIL, "wrong").await.problem(401, "bad_credentials");
        from(&app, "203.0.113.1", EMAIL, PASSWORD).await.expect(200);
    }

    async fn what_is_known_survives_a_restart_and_holds_on_every_instance(app: App) {
        owner(&app).await;
        let restarted = strict(&app);
        guess(&restarted, EMAIL).await;
        from(&restarted, OWNER, EMAIL, PASSWORD).await.expect(200);
        from(&restarted, "192.0.2.1", EMAIL, PASSWORD).await.problem(429, "too_many_requests");
    }

    async fn neighbours_in_ipv6_share_a_48(app: App) {
        let (app, _) = owner(&app).await;
        from(&app, "2001:db8:7:1::1", EMAIL, PASSWORD).await.expect(200);
        guess(&app, EMAIL).await;
        for address in ["2001:db8:7:1::2", "2001:db8:7:ffff::9", "[2001:db8:7::1]:443"] {
            from(&app, address, EMAIL, PASSWORD).await.expect(200);
        }
        from(&app, "2001:db8:8::1", EMAIL, PASSWORD).await.problem(429, "too_many_requests");
        assert_eq!(networks(&app), ["2001:db8:7::/48 198.51.100.0/24 127.0.0.0/24"]);
    }

    async fn sixteen_networks_are_kept_and_the_one_that_rested_longest_goes(app: App) {
        let (app, _) = owner(&app).await;
        for number in 0..15 {
            from(&app, &format!("192.0.{number}.1"), EMAIL, PASSWORD).await.expect(200);
        }
        from(&app, OWNER, EMAIL, PASSWORD).await.expect(200);
        from(&app, "192.0.100.1", EMAIL, PASSWORD).await.expect(200);
        assert_eq!(networks(&app)[0].split(' ').count(), 16);
        guess(&app, EMAIL).await;
        from(&app, OWNER, EMAIL, PASSWORD).await.expect(200);
        from(&app, "192.0.0.1", EMAIL, PASSWORD).await.problem(429, "too_many_requests");
    }

    async fn a_failed_sign_in_makes_no_network_known(app: App) {
        let (app, _) = owner(&app).await;
        let before = networks(&app);
        from(&app, "192.0.2.1", EMAIL, "wrong").await.problem(401, "bad_credentials");
        assert_eq!(networks(&app), before);
    }

    async fn an_email_that_nobody_has_answers_a_stranger_the_same(app: App) {
        let (app, _) = owner(&app).await;
        // Somebody who never signed in, and somebody without a password.
        app.register(&registration("ada@example.com")).await.expect(201);
        app.customer(7, "legacy@example.com", "Legacy", "Customer");
        let mut told = Vec::new();
        for email in [EMAIL, "nobody@example.com", "ada@example.com", "legacy@example.com"] {
            let mut statuses = Vec::new();
            for number in [1, 1, 2, 2, 3, 1] {
                statuses.push(from(&app, &format!("203.0.{number}.9"), email, "wrong").await.status());
            }
            told.push(statuses);
        }
        assert_eq!(told[0], [401, 401, 401, 429, 429, 429]);
        assert!(told.iter().all(|statuses| *statuses == told[0]), "{told:?}");
    }

    async fn a_stranger_with_a_stolen_token_does_not_keep_the_owner_from_changing_the_password(app: App) {
        let (app, member) = owner(&app).await;
        let change = async |address: &str, current: &str| {
            let body = json!({"current_password": current, "new_password": NEW_PASSWORD});
            let ask = app.post(&format!("{}password/", member.path())).token(&member.token);
            ask.header("X-Forwarded-For", address).json(&body).send().await
        };
        let mut number = 0;
        while change(&format!("203.0.{number}.9"), "wrong").await.status() != 429 {
            number += 1;
            assert!(number < 10, "guesses are not bounded");
        }
        change("192.0.2.1", PASSWORD).await.problem(429, "too_many_requests");
        change(OWNER, PASSWORD).await.expect(204);
        from(&app, OWNER, EMAIL, NEW_PASSWORD).await.expect(200);
    }

    async fn an_erasure_takes_the_networks_with_it(app: App) {
        let (app, member) = owner(&app).await;
        assert_eq!(networks(&app), ["198.51.100.0/24 127.0.0.0/24"]);
        assert_eq!(app.texts("SELECT network AS value FROM sessions ORDER BY network"), ["127.0.0.0/24", "198.51.100.0/24"]);
        app.delete(&member.path()).token(&member.token).send().await.expect(204);
        assert_eq!((app.rows("passwords"), app.rows("sessions")), (0, 0));
    }
}
