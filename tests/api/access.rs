//! The access table: every route, and what a stranger meets there.
//!
//! A route is added to the service and to this table in one go: the table is compared with the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use awc::http::Method;
use serde_json::{Value, json};

use crate::harness::{App, Forgery, Reply, now, on_both_databases};

/// Who may.
enum Access {
    /// The customer of `{id}` alone, answered with this status.
    Owner(u16),
    /// Anybody.
    Anybody,
}

use Access::{Anybody, Owner};

/// The password of everybody who registers here, and the next one.
const PASSWORDS: [&str; 2] = ["difference engine no 2", "analytical engine no 1"];

/// One route.
struct Route {
    method: &'static str,
    /// Without its trailing slash.
    pattern: &'static str,
    access: Access,
    /// One that is good for it.
    body: Option<Value>,
}

fn table() -> Vec<Route> {
    let route = |method, pattern, access, body| Route { method, pattern, access, body };
    let password = json!({"current_password": PASSWORDS[0], "new_password": PASSWORDS[1]});
    let registration =
        json!({"email": "new@example.com", "first_name": "New", "last_name": "Comer", "password": PASSWORDS[0]});
    vec![
        route("PUT", "/api/v1/customers/{id}", Owner(200), Some(json!({"first_name": "Jon"}))),
        route("PATCH", "/api/v1/customers/{id}", Owner(200), Some(json!({"first_name": "Jon"}))),
        route("GET", "/api/v1/customers/{id}", Owner(200), None),
        route("HEAD", "/api/v1/customers/{id}", Owner(200), None),
        route("DELETE", "/api/v1/customers/{id}", Owner(204), None),
        route("GET", "/api/v1/customers/{id}/sessions", Owner(200), None),
        route("HEAD", "/api/v1/customers/{id}/sessions", Owner(200), None),
        route("DELETE", "/api/v1/customers/{id}/sessions", Owner(204), None),
        route("DELETE", "/api/v1/customers/{id}/sessions/{sid}", Owner(204), None),
        route("POST", "/api/v1/customers/{id}/password", Owner(204), Some(password)),
        route("POST", "/api/v1/customers", Anybody, Some(registration)),
        route("POST", "/auth/token", Anybody, Some(json!({"email": "nobody@example.com", "password": "whatever"}))),
        route("POST", "/auth/token/refresh", Anybody, Some(json!({"refresh": "1.0.x"}))),
        route("POST", "/auth/token/revoke", Anybody, Some(json!({"refresh": "1.0.x"}))),
        route("GET", "/.well-known/jwks.json", Anybody, None),
        route("HEAD", "/.well-known/jwks.json", Anybody, None),
        route("GET", "/health/live", Anybody, None),
        route("HEAD", "/health/live", Anybody, None),
        route("GET", "/health/ready", Anybody, None),
        route("HEAD", "/health/ready", Anybody, None),
    ]
}

/// The routes of owners.
fn owners() -> Vec<Route> {
    table().into_iter().filter(|route| matches!(route.access, Owner(_))).collect()
}

async fn ask(app: &App, route: &Route, id: &str, sid: &str, token: Option<&str>) -> Reply {
    let path = route.pattern.replace("{id}", id).replace("{sid}", sid);
    let mut ask = app.ask(Method::from_bytes(route.method.as_bytes()).expect("a method"), &path);
    if let Some(token) = token {
        ask = ask.token(token);
    }
    if let Some(body) = &route.body {
        ask = ask.json(body);
    }
    ask.send().await
}

/// Somebody who registered and signed in twice: the access token of the first session, and the id of the second.
async fn owner(app: &App, number: usize) -> (String, String) {
    let email = format!("owner{number}@example.com");
    let body = json!({"email": email, "first_name": "Ada", "last_name": "Owner", "password": PASSWORDS[0]});
    app.ask(Method::POST, "/api/v1/customers/").json(&body).send().await.expect(201);
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let body = json!({"email": email, "password": PASSWORDS[0]});
        let reply = app.ask(Method::POST, "/auth/token/").json(&body).send().await.expect(200).json();
        tokens.push(reply["access"].as_str().expect("a token").to_owned());
    }
    let sessions = app.get("/api/v1/customers/me/sessions/").token(&tokens[0]).send().await.expect(200).json();
    let other = sessions.as_array().expect("a list").iter().find(|session| session["current"] == false);
    let sid = other.expect("the second session")["id"].as_str().expect("its id").to_owned();
    (tokens.swap_remove(0), sid)
}

/// A reply to HEAD has no body to look at.
#[track_caller]
fn refused(reply: &Reply, route: &Route, status: u16, code: &str) {
    if route.method == "HEAD" {
        assert_eq!(reply.status(), status);
    } else {
        reply.problem(status, code);
    }
}

/// The routes that the sources register, as (method, pattern without its trailing slash).
fn registered() -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).expect("a source");
        // What this reading of the sources would not see must not be there.
        for unseen in [
            "web::scope(",
            "web::method(",
            "#[get",
            "#[post",
            "#[put",
            "#[patch",
            "#[delete",
            "#[head",
            "#[route",
            ".route(\"",
        ] {
            assert!(!text.contains(unseen), "{unseen} in {}: the access table cannot see it", file.display());
        }
        for resource in text.split("web::resource(").skip(1) {
            let (patterns, rest) = resource.split_once(')').expect("the end of the patterns");
            let quoted = patterns.split('"').skip(1).step_by(2);
            let patterns: BTreeSet<&str> = quoted.map(|pattern| pattern.trim_end_matches('/')).collect();
            assert!(!patterns.is_empty(), "a resource of {} names its patterns elsewhere", file.display());
            let methods = rest.split(".route(web::").skip(1).filter_map(|route| route.split_once("()"));
            for (method, _) in methods {
                assert!(method.bytes().all(|byte| byte.is_ascii_lowercase()), "{method}");
                routes.extend(patterns.iter().map(|pattern| (method.to_uppercase(), (*pattern).to_owned())));
            }
        }
    }
    routes
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

#[test]
fn every_route_of_the_service_stands_in_the_table() {
    let table: BTreeSet<_> =
        table().into_iter().map(|route| (route.method.to_owned(), route.pattern.to_owned())).collect();
    assert_eq!(registered(), table);
}

#[test]
fn every_route_below_a_customer_is_the_owners() {
    for route in table() {
        let owned = matches!(route.access, Owner(_));
        assert_eq!(owned, route.pattern.contains("{id}"), "{} {}", route.method, route.pattern);
    }
}

on_both_databases! {
    async fn without_a_good_token_every_owner_route_is_401(app: App) {
        let john = app.john();
        let expired = Forgery::good(john.id).claim("exp", now() - 60).sign();
        let forged = Forgery::good(john.id).secret("another signing secret, just as long as the true one").sign();
        for route in owners() {
            for id in ["123", "124", "me"] {
                let reply = ask(&app, &route, id, "1", None).await;
                refused(&reply, &route, 401, "token_missing");
                assert_eq!(reply.header("www-authenticate"), Some(r#"Bearer realm="customers""#));
                for (token, code) in
                    [("garbage", "token_invalid"), (&forged, "token_invalid"), (&expired, "token_expired")]
                {
                    let reply = ask(&app, &route, id, "1", Some(token)).await;
                    refused(&reply, &route, 401, code);
                    assert!(reply.header("www-authenticate").is_some_and(|text| text.contains("invalid_token")));
                }
            }
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn a_stranger_is_403_at_every_owner_route(app: App) {
        let (john, jane) = (app.john(), app.jane());
        for route in owners() {
            for id in ["123", "125"] {
                let reply = ask(&app, &route, id, "1", Some(&jane.token)).await;
                refused(&reply, &route, 403, "not_owner");
                let challenge = reply.header("www-authenticate");
                assert!(challenge.is_some_and(|text| text.contains("insufficient_scope")), "{challenge:?}");
            }
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn a_token_of_an_ended_session_is_401_at_every_owner_route(app: App) {
        let john = app.john();
        let ended = Forgery::good(john.id).claim("sid", "4711").sign();
        for route in owners() {
            let reply = ask(&app, &route, "123", "1", Some(&ended)).await;
            refused(&reply, &route, 401, "session_ended");
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn the_owner_passes_at_every_owner_route(app: App) {
        for (number, route) in owners().iter().enumerate() {
            let Owner(status) = route.access else { continue };
            let (token, sid) = owner(&app, number).await;
            let reply = ask(&app, route, "me", &sid, Some(&token)).await;
            assert_eq!(reply.status(), status, "{} {}: {reply:?}", route.method, route.pattern);
        }
    }

    async fn anybody_passes_at_a_public_route(app: App) {
        for route in table().iter().filter(|route| matches!(route.access, Anybody)) {
            let reply = ask(&app, route, "", "", None).await;
            assert!(![403, 404, 405].contains(&reply.status()), "{} {}: {reply:?}", route.method, route.pattern);
            assert!(!reply.text().contains("token_missing"), "{} {}: {reply:?}", route.method, route.pattern);
        }
    }
}
