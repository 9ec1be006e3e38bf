//! `mail.transport = "none"`: the routes that need mail do not exist.

use awc::http::Method;
use serde_json::json;

use super::{NEW, OLD};
use crate::harness::on_both_databases;

on_both_databases! {
    async fn without_mail_there_is_no_recovery(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let bodies = [
            ("/auth/password/forgot/", json!({"email": "rosa@example.com"})),
            ("/auth/password/reset/", json!({"token": "1.x", "new_password": NEW})),
            ("/auth/email/verify/", json!({"token": "1.x"})),
            ("/auth/email/revert/", json!({"token": "1.x"})),
            ("/api/v1/customers/me/email/", json!({"email": "new@example.com", "current_password": OLD})),
            ("/api/v1/customers/me/email/verification/", json!({})),
        ];
        for (path, body) in &bodies {
            app.post(path).token(&rosa.token).json(body).send().await.problem(404, "not_found");
        }
        for method in [Method::GET, Method::DELETE] {
            app.ask(method, "/api/v1/customers/me/email/").token(&rosa.token).send().await.problem(404, "not_found");
        }
        assert_eq!((app.rows("outbox"), app.rows("links")), (0, 0));
        // The rest is as it was.
        app.patch(&rosa, &json!({"email": "new@example.com"})).await.expect(200);
        assert_eq!(app.rows("outbox"), 0);
    }
}
