//! Swagger UI at `/docs/`: its files, and the page in a real browser.

use awc::http::Method;
use serde_json::{Value, json};

use crate::harness::{App, Backend, node, on_both_databases, run};

const FILES: [(&str, &str); 8] = [
    ("", "text/html; charset=utf-8"),
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
    ("index.css", "text/css; charset=utf-8"),
    ("swagger-initializer.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-standalone-preset.js", "text/javascript; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
];

on_both_databases! {
    async fn every_file_has_its_type_a_strict_policy_and_a_tag(app: App) {
        for (name, content_type) in FILES {
            let path = format!("/docs/{name}");
            let reply = app.get(&path).send().await.expect(200);
            assert_eq!(reply.header("content-type"), Some(content_type), "{path}");
            assert_eq!(reply.header("cache-control"), Some("no-cache"));
            assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
            let policy = reply.header("content-security-policy").expect("a policy");
            assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
            let tag = reply.header("etag").expect("a tag");
            for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
                let again = app.get(&path).header("If-None-Match", &known).send().await.expect(304);
                assert_eq!((again.text(), again.header("etag")), ("", Some(tag)));
                assert_eq!(again.header("cache-control"), Some("no-cache"));
            }
            app.get(&path).header("If-None-Match", "\"other\"").send().await.expect(200);
            let head = app.ask(Method::HEAD, &path).send().await.expect(200);
            assert_eq!((head.text(), head.header("etag")), ("", Some(tag)));
            assert_eq!(head.header("content-type"), Some(content_type));
        }
    }

    async fn no_other_file_of_swagger_ui_is_served(app: App) {
        for name in ["index.html", "swagger-ui.js", "oauth2-redirect.html", "SWAGGER-UI.CSS", "..%2fopenapi.json", "x"] {
            app.get(&format!("/docs/{name}")).send().await.problem(404, "not_found");
        }
        app.get("/docs/x/y").send().await.problem(404, "not_found");
        app.post("/docs/").send().await.problem(405, "method_not_allowed");
    }

    async fn the_path_without_its_slash_leads_to_the_page(app: App) {
        for method in [Method::GET, Method::HEAD] {
            let reply = app.ask(method, "/docs").send().await.expect(308);
            assert_eq!(reply.header("location"), Some("docs/"));
        }
    }
}

async fn open(app: &App, query: &str) -> Value {
    let john = app.member("john@example.com").await;
    let order = json!({"page": format!("http://{}/docs{query}", app.address), "token": john.token});
    serde_json::from_str(&node("docs.mjs", &[&order.to_string()]).await).expect("what the page showed")
}

#[actix_rt::test]
async fn a_reader_tries_operations_on_the_page() {
    run(Backend::Sqlite, async |app: App| {
        let shown = open(&app, "").await;
        let listed = shown["operations"].as_array().expect("operations");
        assert!(listed.contains(&json!("/api/v1/customers/{id}/")) && listed.len() > 15, "{listed:?}");
        let body = |name: &str| shown[name]["body"].as_str().unwrap_or_default();
        for name in ["live", "customer", "change"] {
            assert_eq!(shown[name]["status"], "200", "{name}: {shown:#}");
        }
        assert!(body("live").contains(r#""status": "live""#), "{shown:#}");
        assert!(body("customer").contains("john@example.com"), "{shown:#}");
        assert!(body("change").contains("Joan"), "{shown:#}");
    })
    .await;
}

#[actix_rt::test]
async fn the_page_keeps_its_policy_and_asks_no_other_host() {
    run(Backend::Sqlite, async |app: App| {
        // Swagger UI once showed the document of any address that a link named.
        let shown = open(&app, "/?url=http://localhost:9/openapi.json&configUrl=http://localhost:9/x.json").await;
        assert_eq!(shown["violations"], json!([]));
        assert_eq!(shown["errors"], json!([]));
        assert_eq!(shown["hosts"], json!([app.address.to_string()]));
        assert_eq!(shown["customer"]["status"], "200");
    })
    .await;
}
