//! `POST /api/v1/customers/`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, decoded, on_both_databases, registration};

fn with(name: &str, value: Value) -> Value {
    let mut body = registration("rosa@example.com");
    body[name] = value;
    body
}

fn id_of(location: Option<&str>) -> i64 {
    let location = location.expect("a Location");
    let id = location.strip_prefix("/api/v1/customers/").and_then(|rest| rest.strip_suffix('/'));
    id.and_then(|id| id.parse().ok()).expect("an id in the Location")
}

on_both_databases! {
    async fn a_registration_answers_201_with_location_etag_and_the_customer(app: App) {
        let body = json!({
            "email": " Rosa@Example.com", "first_name": "Rosa", "last_name": "Delgado", "password": PASSWORD,
            "password2": PASSWORD, "date_of_birth": "1990-01-15",
            "address": {"street_address": "1 Elm St", "postal_code": "02134", "city": "Boston", "country": "us"},
        });
        let reply = app.register(&body).await.expect(201);
        assert_eq!(
            reply.text(),
            r#"{"email":"Rosa@Example.com","first_name":"Rosa","last_name":"Delgado","slug":"rosa-delgado","date_of_birth":"1990-01-15","address":{"street_address":"1 Elm St","postal_code":"02134","city":"Boston","state":null,"country":"United States"}}"#
        );
        assert_eq!(reply.header("etag"), Some("\"1\""));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let id = id_of(reply.header("location"));
        assert!((1..1 << 53).contains(&id), "{id}");
        let location = reply.header("location").expect("a Location");
        let shown = app.get(location).token(&app.token(id)).send().await.expect(200);
        assert_eq!(shown.text(), reply.text());
        assert_eq!(shown.header("etag"), Some("\"1\""));
    }

    async fn who_registered_can_sign_in_and_change_the_profile(app: App) {
        let reply = app.register(&registration("rosa@example.com")).await.expect(201);
        let id = id_of(reply.header("location"));
        let member = app.session_of("ROSA@example.com", PASSWORD).await;
        assert_eq!(member.id, id);
        let change = json!({"first_name": "Rosalía"});
        let changed = app.put("/api/v1/customers/me/").token(&member.token).json(&change).send().await.expect(200);
        assert_eq!(changed.json()["first_name"], "Rosalía");
    }

    async fn each_required_member_is_told_in_one_reply(app: App) {
        let required = [
            ("#/email", "required"), ("#/first_name", "required"), ("#/last_name", "required"),
            ("#/password", "required"),
        ];
        app.register(&json!({})).await.fields(&required);
        let nulls = json!({"email": null, "first_name": null, "last_name": null, "password": null});
        let nulled = required.map(|(pointer, _)| (pointer, "null"));
        app.register(&nulls).await.fields(&nulled);
        assert_eq!(app.rows("customers"), 0);
    }

    async fn optional_members_may_be_null_and_the_last_name_empty(app: App) {
        let body = json!({"email": "plato@example.com", "first_name": "Plato", "last_name": "", "password": PASSWORD,
            "password2": null, "date_of_birth": null, "address": null});
        let shown = app.register(&body).await.expect(201).json();
        assert_eq!(shown["slug"], "plato");
        assert_eq!((&shown["date_of_birth"], &shown["address"]), (&Value::Null, &Value::Null));
        assert_eq!(app.rows("addresses"), 0);
    }

    async fn an_address_of_a_registration_must_be_whole(app: App) {
        app.register(&with("address", json!({"city": "Boston"}))).await
            .fields(&[("#/address/street_address", "required"), ("#/address/country", "required")]);
        app.register(&with("address", json!("Boston"))).await.fields(&[("#/address", "type")]);
        assert_eq!(app.rows("customers"), 0);
    }

    async fn read_only_members_are_ignored_and_others_refused(app: App) {
        let mut body = registration("rosa@example.com");
        for (name, value) in [("id", json!(7)), ("slug", json!("queen")), ("created_at", json!("2001-01-01"))] {
            body[name] = value;
        }
        let reply = app.register(&body).await.expect(201);
        assert_eq!(reply.json()["slug"], "rosa-delgado");
        assert_ne!(id_of(reply.header("location")), 7);
        for name in ["is_admin", "Password", "password_hash", "version"] {
            let mut body = registration("other@example.com");
            body[name] = json!(true);
            app.register(&body).await.fields(&[(&format!("#/{name}"), "unknown_field")]);
        }
    }

    async fn the_repeated_password_must_be_the_same(app: App) {
        app.register(&with("password2", json!("SecureP@ssw0rd124"))).await.fields(&[("#/password2", "mismatch")]);
        app.register(&with("password2", json!(""))).await.fields(&[("#/password2", "mismatch")]);
        app.register(&with("password2", json!(1))).await.fields(&[("#/password2", "type")]);
        app.register(&with("password2", json!(PASSWORD))).await.expect(201);
    }

    async fn an_email_that_is_taken_is_409_in_any_spelling_of_it(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        for same in ["rosa@example.com", "ROSA@EXAMPLE.COM", " Rosa@example.Com "] {
            let reply = app.register(&registration(same)).await;
            reply.problem(409, "email_taken");
        }
        app.register(&registration("rosa@other.example.com")).await.expect(201);
        assert_eq!(app.rows("customers"), 2);
        assert_eq!(app.rows("passwords"), 2);
    }

    async fn of_fifty_registrations_with_one_email_one_succeeds(app: App) {
        let spellings = ["rosa@example.com", "Rosa@example.com", "ROSA@EXAMPLE.COM", "rosa@Example.Com", "rOSA@example.com"];
        let bodies: Vec<Value> = (0..50).map(|number| registration(spellings[number % 5])).collect();
        let mut created = 0;
        for reply in join_all(bodies.iter().map(|body| app.register(body))).await {
            match reply.status() {
                201 => created += 1,
                _ => drop(reply.problem(409, "email_taken")),
            }
        }
        assert_eq!(created, 1);
        assert_eq!((app.rows("customers"), app.rows("passwords")), (1, 1));
        app.sign_in("rosa@example.com", PASSWORD).await.expect(200);
    }

    async fn fifty_namesakes_register_at_once_under_slugs_of_their_own(app: App) {
        let bodies: Vec<Value> = (0..50).map(|number| registration(&format!("rosa{number}@example.com"))).collect();
        let mut slugs: Vec<String> = Vec::new();
        for reply in join_all(bodies.iter().map(|body| app.register(body))).await {
            slugs.push(reply.expect(201).json()["slug"].as_str().expect("a slug").to_owned());
        }
        slugs.sort();
        slugs.dedup();
        assert_eq!(slugs.len(), 50);
        assert!(slugs.iter().all(|slug| slug.starts_with("rosa-delgado")), "{slugs:?}");
        assert!(slugs.contains(&"rosa-delgado".to_owned()));
    }

    async fn a_body_that_is_no_registration_is_refused_as_any_other_body(app: App) {
        app.post("/api/v1/customers/").text("{").send().await.problem(400, "malformed_json");
        app.post("/api/v1/customers/").text("[]").send().await.fields(&[("#", "type")]);
        app.post("/api/v1/customers/").body("a=b").send().await.problem(415, "unsupported_media_type");
        app.post("/api/v1/customers/").text(r#"{"email":"a@b.example","email":"c@b.example"}"#).send().await
            .problem(400, "malformed_json");
        let long = format!("{{\"email\":\"{}\"}}", "x".repeat(70_000));
        app.post("/api/v1/customers/").text(&long).send().await.problem(413, "body_too_large");
    }

    async fn a_registration_gives_no_token(app: App) {
        let reply = app.register(&registration("rosa@example.com")).await.expect(201);
        let members: Vec<String> = reply.json().as_object().expect("an object").keys().cloned().collect();
        assert_eq!(members.len(), 6, "{members:?}");
        assert_eq!(app.rows("sessions"), 0);
        let access = app.session_of("rosa@example.com", PASSWORD).await.token;
        assert_eq!(decoded(&access, 0)["typ"], "at+jwt");
    }
}
