//! `GET /api/v1/customers/{id}/export/`: everything that is held about a customer.

use awc::http::Method;
use serde_json::json;

use crate::harness::{PASSWORD, on_both_databases, registration};

on_both_databases! {
    async fn an_export_holds_profile_password_data_and_sessions_and_no_secret(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let rosa = app.session_of("rosa@example.com", PASSWORD).await;
        let phone = app.session_of("rosa@example.com", PASSWORD).await;
        let profile = app.get(&rosa.path()).token(&rosa.token).send().await.expect(200).json();
        let reply = app.get(&format!("{}export/", rosa.path())).token(&rosa.token).send().await.expect(200);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let data = reply.json();
        assert_eq!(data["profile"], profile);
        assert_eq!(data["email_canonical"], "rosa@example.com");
        assert_eq!(data["version"], 1);
        assert_eq!(data["password"]["networks"], json!(["127.0.0.0/24"]));
        let sessions: Vec<&str> =
            data["sessions"].as_array().expect("a list").iter().filter_map(|session| session["id"].as_str()).collect();
        assert_eq!(sessions, [phone.session(), rosa.session()]);
        let text = data.to_string();
        assert!(!text.contains("argon2") && !text.contains(&rosa.refresh), "{text}");
    }

    async fn an_export_of_an_account_without_a_password_says_so(app: App) {
        let john = app.john();
        let reply = app.get("/api/v1/customers/me/export/").token(&app.token(john.id)).send().await.expect(200);
        assert_eq!(reply.json()["password"], json!(null));
        assert_eq!(reply.json()["sessions"], json!([]));
    }

    async fn another_s_export_and_that_of_an_ended_session_are_refused(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let other = app.member("other@example.com").await;
        let path = format!("{}export/", rosa.path());
        app.get(&path).token(&other.token).send().await.problem(403, "not_owner");
        app.ask(Method::DELETE, &format!("{}sessions/", rosa.path())).token(&rosa.token).send().await.expect(204);
        app.get(&path).token(&rosa.token).send().await.problem(401, "session_ended");
    }
}
