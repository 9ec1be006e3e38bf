//! `Content-Location`: which customer a reply about `me` shows.

use awc::http::Method;
use serde_json::json;

use crate::harness::on_both_databases;

const ME: [&str; 3] = ["/api/v1/customers/me/", "/api/v1/customers/me", "/api/v1/customers/me/?page=1"];

on_both_databases! {
    async fn every_reply_that_shows_me_says_which_customer_that_is(app: App) {
        let john = app.john();
        let own = john.path();
        for me in ME {
            for method in [Method::GET, Method::HEAD] {
                let reply = app.ask(method, me).token(&john.token).send().await.expect(200);
                assert_eq!(reply.header("content-location"), Some(own.as_str()));
            }
            let etag = app.etag(&john).await;
            let reply = app.get(me).token(&john.token).header("If-None-Match", &etag).send().await.expect(304);
            assert_eq!(reply.header("content-location"), Some(own.as_str()));
            for method in [Method::PUT, Method::PATCH] {
                let reply = app.ask(method, me).token(&john.token).json(&json!({"last_name": me})).send().await;
                assert_eq!(reply.expect(200).header("content-location"), Some(own.as_str()));
            }
        }
    }

    async fn the_customers_own_address_needs_no_other(app: App) {
        let john = app.john();
        let etag = app.etag(&john).await;
        let ask = |method: Method| app.ask(method, &john.path()).token(&john.token);
        let replies = [
            ask(Method::GET).send().await.expect(200),
            ask(Method::HEAD).send().await.expect(200),
            ask(Method::GET).header("If-None-Match", &etag).send().await.expect(304),
            ask(Method::PUT).json(&json!({"last_name": "Roe"})).send().await.expect(200),
            ask(Method::PATCH).json(&json!({"last_name": "Doe"})).send().await.expect(200),
        ];
        for reply in replies {
            assert_eq!(reply.header("content-location"), None, "{reply:?}");
        }
    }

    async fn a_problem_shows_no_customer(app: App) {
        let john = app.john();
        let ask = |method: Method| app.ask(method, ME[0]).token(&john.token);
        let replies = [
            ask(Method::PUT).json(&json!({"first_name": ""})).send().await.expect(422),
            ask(Method::PATCH).header("If-Match", "\"7\"").json(&json!({})).send().await.expect(412),
            ask(Method::DELETE).send().await.expect(204),
            ask(Method::GET).send().await.expect(404),
        ];
        for reply in replies {
            assert_eq!(reply.header("content-location"), None, "{reply:?}");
        }
    }
}
