//! Paths and methods: the trailing slash, `me`, ids that are none, 404 and 405.

use std::collections::BTreeSet;

use awc::http::Method;
use serde_json::json;

use crate::harness::{on_both_databases, raw};

on_both_databases! {
    async fn every_path_works_with_and_without_its_trailing_slash(app: App) {
        let john = app.john();
        for path in ["/api/v1/customers/123", "/api/v1/customers/123/", "/api/v1/customers/me", "/api/v1/customers/me/"] {
            let reply = app.get(path).token(&john.token).send().await.expect(200);
            assert_eq!(reply.json()["email"], "john@example.com", "{path}");
            app.put(path).token(&john.token).json(&json!({})).send().await.expect(200);
        }
        for path in ["/health/live", "/health/live/", "/health/ready", "/health/ready/"] {
            app.get(path).send().await.expect(200);
        }
    }

    async fn me_is_the_customer_of_the_token(app: App) {
        let (john, jane) = (app.john(), app.jane());
        for (person, email) in [(&john, "john@example.com"), (&jane, "jane@example.com")] {
            let reply = app.get("/api/v1/customers/me/").token(&person.token).send().await.expect(200);
            assert_eq!(reply.json()["email"], email);
            assert_eq!(reply.header("etag"), Some("\"1\""));
        }
        let body = json!({"first_name": "Jon"});
        app.put("/api/v1/customers/me/").token(&john.token).json(&body).send().await.expect(200);
        assert_eq!(app.show(&john).await["first_name"], "Jon");
        assert_eq!(app.show(&jane).await["first_name"], "Jane");
    }

    async fn an_id_that_is_no_positive_integer_is_404(app: App) {
        let john = app.john();
        for id in [
            "0", "-1", "+123", "0123", "123.0", "1e2", "12abc", "abc", "ME", "0x7b", "99999999999999999999",
            "9007199254740992", "9223372036854775808", "%31%32%33x", "%00", "%20123", "123%20", "١٢٣", "null",
        ] {
            let path = format!("/api/v1/customers/{id}/");
            let path = path.replace("١٢٣", "%D9%A1%D9%A2%D9%A3");
            app.get(&path).token(&john.token).send().await.problem(404, "not_found");
            app.put(&path).token(&john.token).json(&json!({})).send().await.problem(404, "not_found");
        }
    }

    async fn an_id_that_names_somebody_else_is_403(app: App) {
        let john = app.john();
        for id in ["1", "122", "124", "1230", "9007199254740991"] {
            let path = format!("/api/v1/customers/{id}/");
            let reply = app.get(&path).token(&john.token).send().await;
            reply.problem(403, "not_owner");
            assert_eq!(
                reply.header("www-authenticate"),
                Some(r#"Bearer realm="customers", error="insufficient_scope""#)
            );
        }
    }

    async fn an_unknown_path_is_404(app: App) {
        let john = app.john();
        for path in ["/", "/api", "/api/v1", "/api/v2/customers/123/", "/api/v1/customers/123//", "/api/v1/customer/123/",
            "/api/v1/customers/123/x", "//api/v1/customers/123/", "/API/v1/customers/123/", "/health", "/health/", "/favicon.ico"] {
            app.get(path).token(&john.token).send().await.problem(404, "not_found");
            app.get(path).send().await.problem(404, "not_found");
            app.put(path).token(&john.token).json(&json!({})).send().await.problem(404, "not_found");
        }
    }

    async fn a_known_path_with_another_method_is_405_and_says_which_are_allowed(app: App) {
        let john = app.john();
        for path in ["/api/v1/customers/123/", "/api/v1/customers/123", "/api/v1/customers/me/"] {
            let reply = app.ask(Method::from_bytes(b"BREW").expect("a method"), path).token(&john.token).send().await;
            reply.problem(405, "method_not_allowed");
            let allowed: BTreeSet<&str> = reply.header("allow").expect("Allow").split(", ").collect();
            assert!(allowed.is_superset(&BTreeSet::from(["GET", "HEAD", "PUT"])), "{allowed:?}");
        }
        for path in ["/health/live", "/health/ready/"] {
            for method in [Method::PUT, Method::DELETE, Method::POST] {
                let reply = app.ask(method, path).send().await;
                reply.problem(405, "method_not_allowed");
                let allowed: BTreeSet<&str> = reply.header("allow").expect("Allow").split(", ").collect();
                assert_eq!(allowed, BTreeSet::from(["GET", "HEAD"]));
            }
        }
    }

    async fn a_head_that_is_refused_has_headers_and_no_body(app: App) {
        app.john();
        let reply = app.ask(Method::HEAD, "/api/v1/customers/123/").send().await.expect(401);
        assert_eq!(reply.text(), "");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert!(reply.header("www-authenticate").is_some());
        let reply = app.ask(Method::HEAD, "/nowhere").send().await.expect(404);
        assert_eq!(reply.text(), "");
    }

    async fn a_query_string_changes_nothing(app: App) {
        let john = app.john();
        app.get("/api/v1/customers/123/?id=124&x=%00").token(&john.token).send().await.expect(200);
    }

    async fn a_path_with_percent_codes_names_what_it_decodes_to(app: App) {
        let john = app.john();
        app.get("/api/v1/customers/%31%32%33/").token(&john.token).send().await.expect(200);
        app.get("/api/v1/customers/%31%32%34/").token(&john.token).send().await.problem(403, "not_owner");
    }

    async fn what_is_no_http_ends_in_an_error_and_the_service_goes_on(app: App) {
        for garbage in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            b"GET\r\n\r\n",
            b"\0\0\0\0\r\n\r\n",
            b"GET /api/v1/customers/%zz/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET http:///x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n",
            b"PUT /api/v1/customers/123/ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            b"PUT /api/v1/customers/123/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            b"PUT /api/v1/customers/123/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"PUT /api/v1/customers/123/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let reply = raw(app.address, garbage).await;
            assert!((400..500).contains(&reply.status()), "{:?}: {reply:?}", String::from_utf8_lossy(garbage));
            let code = reply.json()["code"].as_str().expect("a problem").to_owned();
            reply.problem(reply.status(), &code);
        }
        app.get("/health/live").send().await.expect(200);
    }
}
