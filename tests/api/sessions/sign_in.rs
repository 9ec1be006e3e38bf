//! `POST /auth/token/`.

use serde_json::{Value, json};

use crate::harness::{App, PASSWORD, Reply, decoded, now, on_both_databases, registration};

/// The parts of an answer that must not tell one failure from another.
fn told(reply: &Reply) -> (u16, Value, Vec<(String, Option<String>)>) {
    let mut body = reply.json();
    body["request_id"] = Value::Null;
    let names = ["content-type", "cache-control", "www-authenticate", "content-length", "retry-after", "set-cookie"];
    let headers = names.iter().map(|name| ((*name).to_owned(), reply.header(name).map(str::to_owned))).collect();
    (reply.status(), body, headers)
}

async fn refused(app: &App, email: &str, password: &str) -> Reply {
    let reply = app.sign_in(email, password).await;
    reply.problem(401, "bad_credentials");
    reply
}

on_both_databases! {
    async fn a_sign_in_answers_with_both_tokens(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let reply = app.sign_in("rosa@example.com", PASSWORD).await.expect(200);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let body = reply.json();
        let names: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert!(body["access"].is_string() && body["refresh"].is_string());
    }

    async fn an_access_token_holds_ids_and_times_and_nothing_personal(app: App) {
        let before = now();
        let member = app.member("rosa@example.com").await;
        let claims = member.claims();
        let mut names: Vec<&str> = claims.as_object().expect("an object").keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["exp", "iat", "jti", "sid", "sub"]);
        assert_eq!(claims["sub"], member.id.to_string());
        let (iat, exp) = (claims["iat"].as_u64().expect("iat"), claims["exp"].as_u64().expect("exp"));
        assert!((before..=now()).contains(&iat), "{claims}");
        assert_eq!(exp, iat + 900);
        assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 22), "{claims}");
        assert!(member.session().parse::<i64>().is_ok());
        let header = decoded(&member.token, 0);
        assert_eq!(header, json!({"typ": "at+jwt", "alg": "HS256"}));
        let again = app.session_of(&member.email, PASSWORD).await;
        assert_ne!(again.claims()["jti"], claims["jti"]);
        assert_ne!(again.session(), member.session());
    }

    async fn issuer_and_audience_stand_in_the_token_where_configured(app: App) {
        let app = app.instance(&[("CLIENTELE__AUTH__ISSUER", "https://shop.example"), ("CLIENTELE__AUTH__AUDIENCE", "shop"),
            ("CLIENTELE__AUTH__ACCESS_TOKEN_SECONDS", "60")]);
        let member = app.member("rosa@example.com").await;
        let claims = member.claims();
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("https://shop.example"), &json!("shop")));
        assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|iat| iat + 60));
        app.profile(&member).await.expect(200);
    }

    async fn a_wrong_password_and_an_unknown_email_answer_the_same(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        // Somebody who has no password at all.
        app.customer(7, "legacy@example.com", "Legacy", "Customer");
        let wrong = refused(&app, "rosa@example.com", "SecureP@ssw0rd124").await;
        assert_eq!(wrong.header("www-authenticate"), Some(r#"Bearer realm="customers""#));
        assert_eq!(wrong.header("cache-control"), Some("no-store"));
        for (email, password) in [
            ("nobody@example.com", PASSWORD), ("nobody@example.com", "x"), ("legacy@example.com", PASSWORD),
            ("legacy@example.com", ""), ("rosa@example.com", ""), ("rosa@example.com", "nobody's password"),
            ("nobody@example.com", "nobody's password"),
        ] {
            assert_eq!(told(&refused(&app, email, password).await), told(&wrong), "{email} {password}");
        }
        assert_eq!(app.rows("sessions"), 0);
    }

    async fn the_email_of_a_sign_in_is_found_in_any_spelling(app: App) {
        app.register(&registration("Rosa@bücher.example")).await.expect(201);
        for email in ["rosa@bücher.example", "ROSA@BÜCHER.EXAMPLE", "rosa@xn--bcher-kva.example", " Rosa@bücher.example "] {
            app.sign_in(email, PASSWORD).await.expect(200);
        }
        refused(&app, "rosa@bucher.example", PASSWORD).await;
    }

    async fn a_body_that_is_no_sign_in_is_refused_member_by_member(app: App) {
        let post = |body: Value| app.post("/auth/token/").json(&body).send();
        post(json!({})).await.fields(&[("#/email", "required"), ("#/password", "required")]);
        post(json!({"email": null, "password": 7})).await.fields(&[("#/email", "null"), ("#/password", "type")]);
        post(json!({"email": "x", "password": "y"})).await.fields(&[("#/email", "format")]);
        post(json!({"email": "a@b.example", "password": "x".repeat(257)})).await.fields(&[("#/password", "too_long")]);
        post(json!({"email": "a@b.example", "password": "y", "scope": "all"})).await.fields(&[("#/scope", "unknown_field")]);
        post(json!([])).await.fields(&[("#", "type")]);
        app.post("/auth/token/").text("email=a").send().await.problem(400, "malformed_json");
        app.post("/auth/token/").body("{}").send().await.problem(415, "unsupported_media_type");
        app.get("/auth/token/").send().await.problem(405, "method_not_allowed");
        app.get(&format!("/auth/token/?email=a@b.example&password={PASSWORD}")).send().await
            .problem(405, "method_not_allowed");
    }

    async fn a_token_in_the_query_string_is_not_looked_at(app: App) {
        let member = app.member("rosa@example.com").await;
        let path = format!("{}?access_token={}", member.path(), member.token);
        app.get(&path).send().await.problem(401, "token_missing");
    }

    async fn every_path_of_the_accounts_works_without_its_trailing_slash(app: App) {
        let reply = app.post("/api/v1/customers").json(&registration("rosa@example.com")).send().await;
        reply.expect(201);
        let credentials = json!({"email": "rosa@example.com", "password": PASSWORD});
        let tokens = app.post("/auth/token").json(&credentials).send().await.expect(200).json();
        let refresh = json!({"refresh": tokens["refresh"]});
        let tokens = app.post("/auth/token/refresh").json(&refresh).send().await.expect(200).json();
        let access = tokens["access"].as_str().expect("a token");
        app.get("/api/v1/customers/me/sessions").token(access).send().await.expect(200);
        let change = json!({"current_password": PASSWORD, "new_password": "another fine Passw0rd!"});
        app.post("/api/v1/customers/me/password").token(access).json(&change).send().await.expect(204);
        app.delete("/api/v1/customers/me/sessions/5").token(access).send().await.problem(404, "not_found");
        app.get("/.well-known/jwks.json/").send().await.expect(200);
        app.post("/auth/token/revoke").json(&json!({"refresh": tokens["refresh"]})).send().await.expect(200);
        app.delete("/api/v1/customers/me").token(access).send().await.problem(401, "session_ended");
    }
}
