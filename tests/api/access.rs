//! The access table: every route, and what a stranger meets there.
//!
//! A route is added to the service and to this table in one go: the table is compared with the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use awc::http::Method;
use serde_json::{Value, json};

use crate::harness::{App, Forgery, Person, Reply, now, on_both_databases};

/// Who may.
enum Access {
    /// The customer of `{id}` alone, answered with this status.
    Owner(u16),
    /// Anybody.
    Anybody,
}

use Access::{Anybody, Owner};

/// Method, pattern without its trailing slash, who may, and a body that is good for it.
fn table() -> Vec<(&'static str, &'static str, Access, Option<Value>)> {
    vec![
        ("PUT", "/api/v1/customers/{id}", Owner(200), Some(json!({"first_name": "Jon"}))),
        ("GET", "/api/v1/customers/{id}", Owner(200), None),
        ("HEAD", "/api/v1/customers/{id}", Owner(200), None),
        ("GET", "/health/live", Anybody, None),
        ("HEAD", "/health/live", Anybody, None),
        ("GET", "/health/ready", Anybody, None),
        ("HEAD", "/health/ready", Anybody, None),
    ]
}

async fn ask(app: &App, row: &(&str, &str, Access, Option<Value>), id: &str, token: Option<&str>) -> Reply {
    let (method, pattern, _, body) = row;
    let path = format!("{}/", pattern.replace("{id}", id).replace("{sid}", "1"));
    let mut ask = app.ask(Method::from_bytes(method.as_bytes()).expect("a method"), &path);
    if let Some(token) = token {
        ask = ask.token(token);
    }
    if let Some(body) = body {
        ask = ask.json(body);
    }
    ask.send().await
}

/// A reply to HEAD has no body to look at.
#[track_caller]
fn refused(reply: &Reply, method: &str, status: u16, code: &str) {
    if method == "HEAD" {
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
        for unseen in ["web::scope(", "web::method(", "#[get", "#[post", "#[put", "#[route", "web::patch_", ".route(\""]
        {
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
        table().into_iter().map(|(method, pattern, ..)| (method.to_owned(), pattern.to_owned())).collect();
    assert_eq!(registered(), table);
}

#[test]
fn every_route_below_a_customer_is_the_owners() {
    for (method, pattern, access, _) in table() {
        assert_eq!(matches!(access, Owner(_)), pattern.contains("{id}"), "{method} {pattern}");
    }
}

on_both_databases! {
    async fn without_a_good_token_every_owner_route_is_401(app: App) {
        let john = app.john();
        let expired = Forgery::good(john.id).claim("exp", now() - 60).sign();
        let forged = Forgery::good(john.id).secret("another signing secret, just as long as the true one").sign();
        for row in table().iter().filter(|row| matches!(row.2, Owner(_))) {
            for id in ["123", "124", "me"] {
                let reply = ask(&app, row, id, None).await;
                refused(&reply, row.0, 401, "token_missing");
                assert_eq!(reply.header("www-authenticate"), Some(r#"Bearer realm="customers""#));
                for (token, code) in
                    [("garbage", "token_invalid"), (&forged, "token_invalid"), (&expired, "token_expired")]
                {
                    let reply = ask(&app, row, id, Some(token)).await;
                    refused(&reply, row.0, 401, code);
                    assert!(reply.header("www-authenticate").is_some_and(|text| text.contains("invalid_token")));
                }
            }
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn a_stranger_is_403_at_every_owner_route(app: App) {
        let (john, jane) = (app.john(), app.jane());
        for row in table().iter().filter(|row| matches!(row.2, Owner(_))) {
            for id in ["123", "125"] {
                let reply = ask(&app, row, id, Some(&jane.token)).await;
                refused(&reply, row.0, 403, "not_owner");
                let challenge = reply.header("www-authenticate");
                assert!(challenge.is_some_and(|text| text.contains("insufficient_scope")), "{challenge:?}");
            }
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn the_owner_passes_at_every_owner_route(app: App) {
        for (number, row) in (1..).zip(table().iter()) {
            let Owner(status) = row.2 else { continue };
            // A customer for each row: one of them may erase it.
            let owner: Person = app.customer(number, &format!("owner{number}@example.com"), "Ada", "Owner");
            ask(&app, row, &owner.id.to_string(), Some(&owner.token)).await.expect(status);
        }
    }

    async fn anybody_passes_at_a_public_route(app: App) {
        for row in table().iter().filter(|row| matches!(row.2, Anybody)) {
            let reply = ask(&app, row, "", None).await;
            assert!(![401, 403, 404, 405].contains(&reply.status()), "{} {}: {reply:?}", row.0, row.1);
        }
    }
}
