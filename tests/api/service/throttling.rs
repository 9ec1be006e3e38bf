//! Throttling by client address and by account. Who may always try is in `sessions::known_networks`.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, Backend, Binary, PASSWORD, Reply, begin, on_both_databases, registration};

const ADDRESS_BURST: (&str, &str) = ("CLIENTELE__THROTTLE__ADDRESS_BURST", "3");
const ADDRESS_RATE: (&str, &str) = ("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1");
const ACCOUNT_BURST: (&str, &str) = ("CLIENTELE__THROTTLE__ACCOUNT_BURST", "3");
const ACCOUNT_RATE: (&str, &str) = ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "1");
const PROXY: (&str, &str) = ("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8");

/// Checks the answer and tells how long to wait, in seconds.
#[track_caller]
fn throttled(reply: &Reply) -> u64 {
    reply.problem(429, "too_many_requests");
    let seconds = reply.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds in Retry-After");
    assert!(seconds >= 1, "{seconds}");
    seconds
}

async fn sign_in_from(app: &App, forwarded: &str, email: &str) -> Reply {
    let credentials = json!({"email": email, "password": PASSWORD});
    app.post("/auth/token/").header("X-Forwarded-For", forwarded).json(&credentials).send().await
}

/// How many of some tries are let through before the first that is not.
async fn tries<F: Future<Output = Reply>>(mut one: impl FnMut(usize) -> F) -> usize {
    for number in 0..10 {
        let reply = one(number).await;
        if reply.status() == 429 {
            throttled(&reply);
            return number;
        }
    }
    10
}

on_both_databases! {
    async fn one_address_gets_its_burst_for_each_action_apart(app: App) {
        let member = app.member("rosa@example.com").await;
        let app = app.instance(&[ADDRESS_BURST, ADDRESS_RATE]);
        let email = |number| format!("rosa{number}@example.com");
        assert_eq!(tries(async |number| app.sign_in(&email(number), PASSWORD).await).await, 3);
        assert_eq!(tries(async |number| app.register(&registration(&email(number))).await).await, 3);
        assert_eq!(tries(async |_| app.refresh("nonsense").await).await, 3);
        let path = format!("{}password/", member.path());
        let wrong = json!({"current_password": "wrong", "new_password": "another fine Passw0rd!"});
        assert_eq!(tries(async |_| app.post(&path).token(&member.token).json(&wrong).send().await).await, 3);
        // Whoever is right is throttled as well, and told nothing.
        throttled(&app.sign_in(&member.email, PASSWORD).await);
        throttled(&app.refresh(&member.refresh).await);
        // Ending a session is never refused.
        let revoke = json!({"refresh": member.refresh});
        for _ in 0..5 {
            app.post("/auth/token/revoke/").json(&revoke).send().await.expect(200);
        }
    }

    async fn one_account_gets_its_burst_in_any_spelling_and_others_have_their_own(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let app = app.instance(&[ACCOUNT_BURST, ACCOUNT_RATE]);
        let spellings = ["rosa@example.com", "ROSA@example.com", " Rosa@EXAMPLE.com"];
        assert_eq!(tries(async |number| app.sign_in(spellings[number % 3], "wrong").await).await, 3);
        throttled(&app.sign_in("rosa@example.com", PASSWORD).await);
        // An email that nobody has is counted in the same way.
        assert_eq!(tries(async |_| app.sign_in("nobody@example.com", "wrong").await).await, 3);
        // The first one succeeds, and does not count.
        assert_eq!(tries(async |_| app.register(&registration("ada@example.com")).await).await, 4);
        let ada = app.session_of("ada@example.com", PASSWORD).await;
        let path = format!("{}password/", ada.path());
        let wrong = json!({"current_password": "wrong", "new_password": "another fine Passw0rd!"});
        assert_eq!(tries(async |_| app.post(&path).token(&ada.token).json(&wrong).send().await).await, 3);
        assert_eq!(tries(async |_| app.refresh(&ada.refresh).await).await, 3);
    }

    async fn only_failures_count_for_an_account(app: App) {
        let member = app.member("rosa@example.com").await;
        let app = app.instance(&[ACCOUNT_BURST, ACCOUNT_RATE]);
        assert_eq!(tries(async |_| app.sign_in(&member.email, PASSWORD).await).await, 10);
        app.sign_in(&member.email, "wrong").await.problem(401, "bad_credentials");
        app.sign_in(&member.email, "wrong").await.problem(401, "bad_credentials");
        assert_eq!(tries(async |_| app.sign_in(&member.email, PASSWORD).await).await, 10);
        app.sign_in(&member.email, "wrong").await.problem(401, "bad_credentials");
        throttled(&app.sign_in(&member.email, PASSWORD).await);
        let path = format!("{}password/", member.path());
        let weak = json!({"current_password": PASSWORD, "new_password": "password1"});
        assert_eq!(tries(async |_| app.post(&path).token(&member.token).json(&weak).send().await).await, 10);
    }

    async fn a_password_that_was_not_checked_for_lack_of_room_does_not_count(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let app = app.instance(&[
            ("CLIENTELE__THROTTLE__ACCOUNT_BURST", "40"), ACCOUNT_RATE,
            ("CLIENTELE__AUTH__PASSWORD_THREADS", "1"), ("CLIENTELE__AUTH__PASSWORD_QUEUE", "1"),
        ]);
        let replies = join_all((0..30).map(|_| app.sign_in("rosa@example.com", "wrong"))).await;
        let failed = replies.iter().filter(|reply| reply.status() == 401).count();
        assert!((1..20).contains(&failed), "{failed} of 30 were checked");
        // All that were not checked can be tried again.
        for _ in failed..40 {
            app.sign_in("rosa@example.com", "wrong").await.problem(401, "bad_credentials");
        }
        throttled(&app.sign_in("rosa@example.com", "wrong").await);
    }

    async fn an_address_is_throttled_before_its_body_is_read(app: App) {
        let member = app.member("rosa@example.com").await;
        let app = app.instance(&[ADDRESS_BURST, ADDRESS_RATE]);
        let password = format!("{}password/", member.path());
        for path in ["/auth/token/", "/auth/token/refresh/", "/api/v1/customers/", &password] {
            let post = |body: &str| app.post(path).token(&member.token).text(body).send();
            post("{").await.problem(400, "malformed_json");
            post("{}").await.problem(422, "validation_failed");
            app.post(path).token(&member.token).body("a=b").send().await.problem(415, "unsupported_media_type");
            for body in ["{", "{}", "[]", &"x".repeat(70_000)] {
                throttled(&post(body).await);
            }
        }
        // Whose path it is comes before.
        app.post("/api/v1/customers/7/password/").token(&member.token).text("{").send().await.problem(403, "not_owner");
        app.post(&password).text("{").send().await.problem(401, "token_missing");
    }

    async fn nobody_is_locked_out_after_the_told_seconds(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let app = app.instance(&[
            ("CLIENTELE__THROTTLE__ACCOUNT_BURST", "1"), ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "60"),
        ]);
        app.sign_in("rosa@example.com", "wrong").await.problem(401, "bad_credentials");
        // Refused tries cost nothing: they do not prolong the wait. The bucket may have filled meanwhile.
        let mut wait = None;
        for _ in 0..20 {
            let reply = app.sign_in("rosa@example.com", "wrong").await;
            if reply.status() == 429 {
                wait = Some(throttled(&reply));
            }
        }
        let wait = wait.expect("a try that was refused");
        actix_rt::time::sleep(Duration::from_secs(wait)).await;
        app.sign_in("rosa@example.com", PASSWORD).await.expect(200);
    }

    async fn forwarded_addresses_count_only_when_a_trusted_proxy_tells_them(app: App) {
        let direct = app.instance(&[ADDRESS_BURST, ADDRESS_RATE]);
        let spoofed = async |number| sign_in_from(&direct, &format!("198.51.100.{number}"), "nobody@example.com").await;
        assert_eq!(tries(spoofed).await, 3);
        let proxied = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, PROXY]);
        let from = async |forwarded: &str| sign_in_from(&proxied, forwarded, "nobody@example.com").await;
        assert_eq!(tries(async |_| from("198.51.100.7").await).await, 3);
        // The client's own claim stands to the left of what the proxies saw.
        assert_eq!(tries(async |number| from(&format!("203.0.113.{number}, 198.51.100.8, 10.1.2.3")).await).await, 3);
        throttled(&from("198.51.100.8").await);
        assert_eq!(from("198.51.100.9").await.status(), 401);
    }

    async fn a_forwarded_address_may_have_a_port_and_brackets(app: App) {
        let proxied = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, PROXY]);
        let from = async |forwarded: &str| sign_in_from(&proxied, forwarded, "nobody@example.com").await;
        assert_eq!(tries(async |number| from(&format!("198.51.100.7:4000{number}")).await).await, 3);
        throttled(&from("198.51.100.7").await);
        assert_eq!(from("198.51.100.8:40007").await.status(), 401);
        let spellings = ["[2001:db8::1]:443", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:444"];
        assert_eq!(tries(async |number| from(spellings[number % 4]).await).await, 3);
        throttled(&from("2001:db8::1").await);
    }

    async fn what_is_no_address_counts_for_the_proxy_that_told_it_and_not_for_a_spoofed_one(app: App) {
        let proxied = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, PROXY]);
        let from = async |forwarded: &str| sign_in_from(&proxied, forwarded, "nobody@example.com").await;
        let garbage = ["198.51.100.1, \"198.51.100.7\"", "198.51.100.2, unknown", "198.51.100.3, [::1"];
        assert_eq!(tries(async |number| from(garbage[number % 3]).await).await, 3);
        throttled(&from("198.51.100.4, nonsense").await);
        assert_eq!(from("nonsense, 198.51.100.1").await.status(), 401);
    }

    async fn ipv6_addresses_of_one_subscriber_count_as_one(app: App) {
        let proxied = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, PROXY]);
        let from = async |forwarded: String| sign_in_from(&proxied, &forwarded, "nobody@example.com").await;
        assert_eq!(tries(async |number| from(format!("2001:db8:0:7:{number}::1")).await).await, 3);
        assert_eq!(from("2001:db8:0:8::1".into()).await.status(), 401);
        // An IPv4 address is the same one when it is written as an IPv6 address.
        assert_eq!(tries(async |_| from("::ffff:198.51.100.7".into()).await).await, 3);
        throttled(&from("198.51.100.7".into()).await);
    }

    async fn profile_routes_are_never_throttled(app: App) {
        let app = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, ACCOUNT_BURST, ACCOUNT_RATE]);
        let member = app.member("rosa@example.com").await;
        for number in 0..40 {
            app.profile(&member).await.expect(200);
            app.patch(&member, &json!({"first_name": format!("Rosa {number}")})).await.expect(200);
            app.get(&format!("{}sessions/", member.path())).token(&member.token).send().await.expect(200);
        }
        app.delete(&member.path()).token(&member.token).send().await.expect(204);
    }

    async fn throttling_can_be_turned_off(app: App) {
        let off = ("CLIENTELE__THROTTLE__ENABLED", "false");
        let app = app.instance(&[ADDRESS_BURST, ADDRESS_RATE, ACCOUNT_BURST, ACCOUNT_RATE, off]);
        assert_eq!(tries(async |_| app.sign_in("nobody@example.com", "wrong").await).await, 10);
    }
}

/// One line in the log, however many requests carry the header.
#[actix_rt::test]
async fn a_forwarded_address_that_is_not_trusted_is_warned_of_once() {
    crate::harness::run(Backend::Sqlite, async |app: App| {
        for (trusted, warnings) in [("", 1), ("10.0.0.0/8", 1), ("127.0.0.1", 0)] {
            let binary = Binary::on(app.database_url()).with("CLIENTELE__THROTTLE__TRUSTED_PROXIES", trusted);
            let serving = binary.serve();
            let service = app.at(serving.address);
            for number in 0..5 {
                let forwarded = format!("198.51.100.{number}");
                assert_eq!(sign_in_from(&service, &forwarded, "nobody@example.com").await.status(), 401);
            }
            serving.signal("TERM");
            let (code, log) = serving.wait();
            assert_eq!(code, Some(0), "{log}");
            assert_eq!(log.matches("throttle.trusted_proxies").count(), warnings, "{trusted:?}: {log}");
            assert!(!log.contains("198.51.100."), "{log}");
        }
    })
    .await;
}

/// The key that a deployment behind a proxy needs stands in the file that it starts from.
#[test]
fn the_settings_of_production_name_the_trusted_proxies() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml");
    let text = std::fs::read_to_string(file).expect("config/production.toml");
    assert!(text.lines().any(|line| line.starts_with("trusted_proxies = ")), "{text}");
}

on_both_databases! {
    async fn a_guess_counts_though_its_client_does_not_wait_for_the_answer(app: App) {
        let member = app.member("rosa@example.com").await;
        let app =
            app.instance(&[ACCOUNT_BURST, ACCOUNT_RATE, ("CLIENTELE__AUTH__WRONG_PASSWORD_MILLISECONDS", "3000")]);
        let body = json!({"email": member.email, "password": "wrong"}).to_string();
        let request = format!(
            "POST /auth/token/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        for _ in 0..3 {
            let stream = begin(app.address, request.as_bytes());
            // Long enough for the check, too short for its outcome.
            actix_rt::time::sleep(Duration::from_millis(700)).await;
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an abrupt end");
        }
        actix_rt::time::sleep(Duration::from_millis(200)).await;
        throttled(&app.sign_in(&member.email, "wrong").await);
    }
}
