//! What every reply carries: a request id, security headers, nothing that leaks.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use crate::harness::{begin, next_reply, on_both_databases, raw};

async fn assert_is_open(mut stream: TcpStream) {
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").expect("the request is sent");
    assert_eq!(next_reply(stream).await.0.status(), 200);
}

on_both_databases! {
    async fn a_sane_request_id_is_kept(app: App) {
        let john = app.john();
        for id in ["abc", "0192-ffee_AB.7", &"x".repeat(128)] {
            let reply = app.get(&john.path()).token(&john.token).header("X-Request-Id", id).send().await.expect(200);
            assert_eq!(reply.header("x-request-id"), Some(id));
            let reply = app.get("/nowhere").header("X-Request-Id", id).send().await;
            reply.problem(404, "not_found");
            assert_eq!(reply.json()["request_id"], id);
        }
    }

    async fn another_request_id_is_replaced(app: App) {
        for id in ["", " ", "a b", "a\"b", "<script>", "é", "a;b", &"x".repeat(129)] {
            let reply = app.get("/nowhere").header("X-Request-Id", id).send().await;
            reply.problem(404, "not_found");
            assert_ne!(reply.header("x-request-id"), Some(id));
        }
    }

    async fn every_reply_has_a_request_id_of_its_own(app: App) {
        let mut seen = BTreeSet::new();
        for _ in 0..20 {
            let reply = app.get("/health/live").send().await.expect(200);
            assert!(seen.insert(reply.header("x-request-id").expect("an id").to_owned()));
        }
    }

    async fn replies_with_personal_data_are_not_stored_or_sniffed(app: App) {
        let john = app.john();
        for reply in [
            app.get(&john.path()).token(&john.token).send().await,
            app.change(&john, &json!({})).await,
        ] {
            assert_eq!(reply.status(), 200);
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert!(reply.header("x-request-id").is_some());
        }
    }

    async fn no_reply_names_the_software(app: App) {
        let john = app.john();
        for path in ["/api/v1/customers/123/", "/nowhere", "/health/ready"] {
            let reply = app.get(path).token(&john.token).send().await;
            assert_eq!(reply.header("server"), None);
            assert_eq!(reply.header("x-powered-by"), None);
        }
    }

    async fn titles_are_the_reason_phrases_of_rfc_9110(app: App) {
        let john = app.john();
        let large = " ".repeat(70_000);
        for (reply, title) in [
            (app.get("/nowhere").send().await, "Not Found"),
            (app.get(&john.path()).send().await, "Unauthorized"),
            (app.change_text(&john, "{").await, "Bad Request"),
            (app.change_text(&john, &large).await, "Content Too Large"),
            (app.change(&john, &json!({"a": 1})).await, "Unprocessable Content"),
        ] {
            assert_eq!(reply.json()["title"], title);
        }
    }

    async fn a_validation_problem_counts_its_fields(app: App) {
        let john = app.john();
        let reply = app.change(&john, &json!({"email": "x", "first_name": ""})).await;
        assert_eq!(reply.json()["detail"], "2 fields need attention.");
        assert_eq!(app.change(&john, &json!({"email": "x"})).await.json()["detail"], "1 field needs attention.");
    }

    async fn a_conflict_says_nothing_of_the_other_customer(app: App) {
        let (john, _jane) = (app.john(), app.jane());
        let reply = app.change(&john, &json!({"email": "JANE@example.com"})).await;
        reply.problem(409, "email_taken");
        for secret in ["jane", "Roe", "124"] {
            assert!(!reply.text().replace(reply.header("x-request-id").unwrap_or_default(), "").contains(secret), "{secret}");
        }
    }

    async fn a_refusal_does_not_cost_the_connection(app: App) {
        let (john, jane) = (app.john(), app.jane());
        let authorization = format!("Authorization: Bearer {}\r\n", john.token);
        for (path, headers, status) in [
            ("/nowhere", "", 404),
            (john.path().as_str(), "", 401),
            (jane.path().as_str(), authorization.as_str(), 403),
            (john.path().as_str(), authorization.as_str(), 415),
        ] {
            let request = format!("PUT {path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: 2\r\n\r\n{{}}");
            let (reply, stream) = next_reply(begin(app.address, request.as_bytes())).await;
            assert_eq!((reply.status(), reply.header("connection")), (status, None));
            assert_is_open(stream).await;
        }
    }

    async fn a_refusal_reads_what_comes_later_of_a_body(app: App) {
        let mut stream = begin(app.address, b"PUT /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{}");
        app.get("/health/live").send().await.expect(200);
        stream.write_all(b"  ").expect("the rest is sent");
        let (reply, stream) = next_reply(stream).await;
        assert_eq!((reply.status(), reply.header("connection")), (404, None));
        assert_is_open(stream).await;
    }

    async fn a_refusal_waits_for_no_body_that_never_comes(app: App) {
        for length in [10, 1_000_000_000] {
            let head = format!("PUT /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            let reply = raw(app.address, head.as_bytes()).await;
            assert_eq!((reply.status(), reply.header("connection")), (404, Some("close")));
        }
    }
}
