//! What a page of another origin may do, as its browser finds out. `browsers.rs` asks a real one.
//!
//! No database takes part, so one of the two is enough.

use std::collections::BTreeSet;
use std::io::Write;

use awc::http::Method;
use serde_json::json;

use crate::harness::{App, Ask, Backend, Reply, begin, next_reply, raw, read_reply, registration, run};

const SHOP: &str = "https://shop.example";
const ORIGINS: [(&str, &str); 1] = [("CLIENTELE__SERVER__CORS_ORIGINS", "https://shop.example, http://localhost:3000")];
/// Those that look like a listed one, and others.
const STRANGERS: [&str; 10] = [
    "https://shop.example.test",
    "https://evil-shop.example",
    "https://sub.shop.example",
    "http://shop.example",
    "https://SHOP.example",
    "https://shop.example:8443",
    "https://shop.example/",
    "http://localhost:3001",
    "null",
    "*",
];

/// Runs a test with a service that lists two origins.
async fn listed(test: impl AsyncFnOnce(App)) {
    run(Backend::Sqlite, async |app: App| test(app.instance(&ORIGINS)).await).await;
}

fn preflight(app: &App, path: &str, origin: &str, method: &str) -> Ask {
    let ask = app.ask(Method::OPTIONS, path).header("Origin", origin);
    ask.header("Access-Control-Request-Method", method)
}

/// The names in a header that lists them.
fn names(reply: &Reply, header: &str) -> BTreeSet<String> {
    let list = reply.header(header).unwrap_or_default();
    list.split(',').map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Checks that a page of this origin may read the reply, with the headers that are exposed and without credentials.
#[track_caller]
fn is_readable(reply: &Reply, origin: &str) {
    assert_eq!(reply.header("access-control-allow-origin"), Some(origin), "{}", reply.text());
    let exposed = ["etag", "location", "content-location", "retry-after", "www-authenticate", "x-request-id"];
    assert_eq!(names(reply, "access-control-expose-headers"), set(&exposed));
    assert_eq!(reply.headers_like("access-control-").len(), 2, "{reply:?}");
    assert!(names(reply, "vary").contains("origin"), "{reply:?}");
    assert!(reply.header("x-request-id").is_some());
}

#[track_caller]
fn is_not_readable(reply: &Reply) {
    assert_eq!(reply.headers_like("access-control-"), [""; 0], "{reply:?}");
    assert!(names(reply, "vary").contains("origin"), "{reply:?}");
}

#[actix_rt::test]
async fn a_preflight_of_a_listed_origin_needs_no_token() {
    listed(async |app: App| {
        let owned = "/api/v1/customers/123/";
        for (path, method) in [
            (owned, "PUT"),
            (owned, "PATCH"),
            (owned, "DELETE"),
            (owned, "GET"),
            (owned, "HEAD"),
            ("/api/v1/customers/me/sessions/", "GET"),
            ("/auth/token/", "POST"),
            ("/nowhere", "GET"),
        ] {
            for origin in [SHOP, "http://localhost:3000"] {
                let ask = preflight(&app, path, origin, method);
                let ask = ask.header("Access-Control-Request-Headers", "authorization,content-type,if-match");
                let reply = ask.send().await.expect(200);
                assert_eq!(reply.text(), "");
                assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
                let methods = set(&["delete", "get", "head", "patch", "post", "put"]);
                assert_eq!(names(&reply, "access-control-allow-methods"), methods);
                let headers = set(&["authorization", "content-type", "if-match", "if-none-match", "x-request-id"]);
                assert_eq!(names(&reply, "access-control-allow-headers"), headers);
                assert_eq!(reply.header("access-control-allow-credentials"), None);
                assert!(reply.header("access-control-max-age").is_some());
                assert!(names(&reply, "vary").contains("origin"));
                assert!(reply.header("x-request-id").is_some());
            }
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_preflight_may_ask_for_each_allowed_header_in_any_case() {
    listed(async |app: App| {
        for headers in ["Authorization", "content-type", "IF-MATCH", "if-none-match", "x-request-id, authorization"] {
            let ask = preflight(&app, "/api/v1/customers/me", SHOP, "PUT");
            ask.header("Access-Control-Request-Headers", headers).send().await.expect(200);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_preflight_of_another_origin_is_403_with_a_problem() {
    listed(async |app: App| {
        for origin in STRANGERS {
            for path in ["/api/v1/customers/123/", "/auth/token/", "/nowhere"] {
                let reply = preflight(&app, path, origin, "POST").header("X-Request-Id", "mine").send().await;
                reply.problem(403, "preflight_refused");
                assert_eq!(reply.json()["request_id"], "mine");
                assert_eq!(reply.header("www-authenticate"), None);
                is_not_readable(&reply);
            }
        }
        let ask = app.ask(Method::OPTIONS, "/auth/token/").header("Access-Control-Request-Method", "POST");
        is_not_readable(ask.send().await.problem(403, "preflight_refused"));
    })
    .await;
}

#[actix_rt::test]
async fn a_preflight_for_what_no_page_may_do_is_403_with_a_problem() {
    listed(async |app: App| {
        for method in ["TRACE", "CONNECT", "OPTIONS", "put", "BREW"] {
            let reply = preflight(&app, "/api/v1/customers/me/", SHOP, method).send().await;
            assert!(reply.problem(403, "preflight_refused").text().contains("method"));
        }
        for headers in ["cookie", "authorization, x-forwarded-for", "a b", ","] {
            let ask = preflight(&app, "/api/v1/customers/me/", SHOP, "PUT");
            let reply = ask.header("Access-Control-Request-Headers", headers).send().await;
            assert!(reply.problem(403, "preflight_refused").text().contains("headers"));
        }
    })
    .await;
}

#[actix_rt::test]
async fn every_reply_to_a_listed_origin_is_readable() {
    listed(async |app: App| {
        let (john, _jane) = (app.john(), app.jane());
        let path = john.path();
        let put = || app.put(&path).token(&john.token).header("Origin", SHOP);
        let get = |path: &str| app.get(path).header("Origin", SHOP);
        let post = |path: &str| app.post(path).header("Origin", SHOP);
        let etag = app.etag(&john).await;
        for (ask, status) in [
            (get(&path).token(&john.token), 200),
            (get(&path).token(&john.token).header("If-None-Match", &etag), 304),
            (get("/health/ready"), 200),
            (get("/.well-known/jwks.json"), 200),
            (put().json(&json!({})), 200),
            (put().text("{"), 400),
            (put().json(&json!({})).header("If-Match", "x"), 400),
            (get(&path), 401),
            (get(&path).token("garbage"), 401),
            (post("/auth/token/").json(&json!({"email": "a@b.example", "password": "whatever"})), 401),
            (get("/api/v1/customers/124/").token(&john.token), 403),
            (get("/nowhere"), 404),
            (get("/api/v1/customers/zero/").token(&john.token), 404),
            (post("/health/live"), 405),
            (app.ask(Method::OPTIONS, &path).header("Origin", SHOP), 405),
            (put().json(&json!({"email": "jane@example.com"})), 409),
            (put().json(&json!({"first_name": "J"})).header("If-Match", "\"77\""), 412),
            (put().text(&" ".repeat(70_000)), 413),
            (put().body("{}"), 415),
            (put().json(&json!({"nick": 1})), 422),
            (post("/api/v1/customers/").json(&registration("rosa@example.com")), 201),
            (app.delete(&path).token(&john.token).header("Origin", SHOP), 204),
        ] {
            let reply = ask.send().await.expect(status);
            is_readable(&reply, SHOP);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_refusal_of_too_many_tries_is_readable() {
    run(Backend::Sqlite, async |app: App| {
        let app = app.instance(&[ORIGINS[0], ("CLIENTELE__THROTTLE__ADDRESS_BURST", "1")]);
        let refresh = || app.post("/auth/token/refresh/").header("Origin", SHOP).json(&json!({"refresh": "1.0.x"}));
        refresh().send().await.expect(401);
        let reply = refresh().send().await.expect(429);
        is_readable(&reply, SHOP);
        // The browser asks first, and is never throttled.
        preflight(&app, "/auth/token/refresh/", SHOP, "POST").send().await.expect(200);
    })
    .await;
}

#[actix_rt::test]
async fn a_body_that_is_late_is_readable() {
    run(Backend::Sqlite, async |app: App| {
        let john = app.john();
        let app = app.instance(&[ORIGINS[0], ("CLIENTELE__SERVER__BODY_TIMEOUT_SECONDS", "1")]);
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: a\r\nOrigin: {SHOP}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{",
            john.path(),
            john.token
        );
        let reply = read_reply(begin(app.address, head.as_bytes())).await;
        is_readable(reply.problem(408, "request_timeout"), SHOP);
    })
    .await;
}

#[actix_rt::test]
async fn another_origin_is_served_and_its_pages_read_nothing() {
    listed(async |app: App| {
        let john = app.john();
        for origin in STRANGERS {
            for (ask, status) in [
                (app.get(&john.path()).token(&john.token), 200),
                (app.get(&john.path()), 401),
                (app.get("/nowhere"), 404),
                (app.post("/health/live"), 405),
            ] {
                is_not_readable(&ask.header("Origin", origin).send().await.expect(status));
            }
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_reply_to_no_origin_says_that_it_depends_on_the_origin() {
    listed(async |app: App| {
        for (path, status) in [("/.well-known/jwks.json", 200), ("/nowhere", 404)] {
            is_not_readable(&app.get(path).send().await.expect(status));
        }
    })
    .await;
}

#[actix_rt::test]
async fn replies_on_one_connection_are_for_the_origin_of_their_own_request() {
    listed(async |app: App| {
        let request = |origin: &str| format!("GET /health/live HTTP/1.1\r\nHost: a\r\n{origin}\r\n");
        let (reply, mut stream) =
            next_reply(begin(app.address, request(&format!("Origin: {SHOP}\r\n")).as_bytes())).await;
        is_readable(&reply, SHOP);
        for origin in ["Origin: https://evil.example\r\n", ""] {
            stream.write_all(request(origin).as_bytes()).expect("the next request is sent");
            let (reply, open) = next_reply(stream).await;
            is_not_readable(&reply);
            stream = open;
        }
    })
    .await;
}

#[actix_rt::test]
async fn without_listed_origins_nothing_is_added() {
    run(Backend::Sqlite, async |app: App| {
        let john = app.john();
        let refused = preflight(&app, &john.path(), SHOP, "PUT").send().await;
        refused.problem(405, "method_not_allowed");
        assert!(refused.header("allow").is_some());
        let shown = app.get(&john.path()).token(&john.token).header("Origin", SHOP).send().await.expect(200);
        for reply in [refused, shown] {
            assert_eq!(reply.headers_like("access-control-"), [""; 0]);
            assert_eq!(reply.header("vary"), None);
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_head_that_cannot_be_read_is_a_problem_for_no_origin() {
    listed(async |app: App| {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nOrigin: {SHOP}\r\nno header\r\n\r\n");
        let reply = raw(app.address, request.as_bytes()).await;
        assert_eq!(reply.problem(400, "bad_request").headers_like("access-control-"), [""; 0]);
    })
    .await;
}
