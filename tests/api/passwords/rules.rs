//! Which passwords may be set.

use serde_json::json;

use crate::harness::{PASSWORD, Reply, on_both_databases, registration};

/// Every refused password is refused for being weak alone, with a hint that is more than the verdict.
#[track_caller]
fn weak(reply: &Reply, pointer: &str) {
    reply.fields(&[(pointer, "password_weak")]);
    let detail = reply.json()["errors"][0]["detail"].as_str().expect("a detail").to_owned();
    let hint = detail.strip_prefix("This password is too easily guessed. ").expect("the verdict first");
    assert!(hint.split(' ').count() >= 3, "{detail}");
}

on_both_databases! {
    async fn guessable_passwords_are_refused_with_a_hint(app: App) {
        for password in [
            "password1", "12345678", "1234567890", "qwertyuiop", "asdfghjkl", "qwerty123", "aaaaaaaa", "abcdefgh",
            "letmein1", "P@ssw0rd", "19901990", "iloveyou", "zxcvbnm,",
            // Common, though the estimator does not know them.
            "diosesfiel", "megaparol12345", "111222tianya", "Megaparol12345", "DIOSESFIEL",
            // The own email, its parts, the own names.
            "rosa.delgado@example.com", "ROSA.DELGADO@EXAMPLE.COM", "rosa.delgado", "rosadelgado",
            "delgado1990",
        ] {
            let mut body = registration("rosa.delgado@example.com");
            body["password"] = json!(password);
            let reply = app.register(&body).await;
            assert_eq!(reply.status(), 422, "{password}");
            weak(&reply, "#/password");
        }
        assert_eq!(app.rows("customers"), 0);
    }

    async fn the_own_names_run_together_are_weak_whatever_follows_them(app: App) {
        for password in ["RosaDelgado1", "rosadelgado12", "DelgadoRosa!", "rosa.delgado.1990"] {
            let mut body = registration("rosa.delgado@example.com");
            body["password"] = json!(password);
            let reply = app.register(&body).await;
            assert_eq!(reply.status(), 422, "{password}");
            weak(&reply, "#/password");
        }
    }

    async fn what_others_would_not_guess_is_no_rule_of_composition(app: App) {
        for (number, password) in
            [PASSWORD, "correct horse battery staple", "zq8kd02plmwx", "мойпарольдлинный", "ｆｕｌｌ ｗｉｄｔｈ ｗｏｒｄｓ", "🐢🦀🐙🐝🦉🐳🦔🐌🦎🦚"]
                .into_iter()
                .enumerate()
        {
            let email = format!("strong{number}@example.com");
            let mut body = registration(&email);
            body["password"] = json!(password);
            app.register(&body).await.expect(201);
            app.sign_in(&email, password).await.expect(200);
        }
    }

    async fn a_password_has_8_to_256_characters(app: App) {
        // Characters, not bytes.
        let longest: String = "пароль!7".chars().cycle().take(256).collect();
        let cases = [("", "too_short"), ("zQ8#kd0", "too_short"), ("ñandúes", "too_short"), (&format!("{longest}x"), "too_long")];
        for (password, code) in cases {
            let mut body = registration("rosa@example.com");
            body["password"] = json!(password);
            app.register(&body).await.fields(&[("#/password", code)]);
        }
        let mut body = registration("rosa@example.com");
        body["password"] = json!("vR7#pQ2xW");
        app.register(&body).await.expect(201);
        let mut body = registration("rosa2@example.com");
        body["password"] = json!(longest);
        app.register(&body).await.expect(201);
        app.sign_in("rosa2@example.com", &longest).await.expect(200);
        // All of it counts.
        let shorter: String = longest.chars().take(255).collect();
        app.sign_in("rosa2@example.com", &shorter).await.problem(401, "bad_credentials");
    }

    async fn eight_characters_drawn_at_random_are_enough(app: App) {
        let mut body = registration("rosa@example.com");
        body["password"] = json!("vR7#pQ2x");
        app.register(&body).await.expect(201);
    }

    async fn a_password_is_kept_as_typed_in_any_composition_of_its_letters(app: App) {
        let mut body = registration("rosa@example.com");
        body["password"] = json!("  Un café très serré  ");
        app.register(&body).await.expect(201);
        app.sign_in("rosa@example.com", "  Un cafe\u{301} tre\u{300}s serre\u{301}  ").await.expect(200);
        app.sign_in("rosa@example.com", "Un café très serré").await.problem(401, "bad_credentials");
        app.sign_in("rosa@example.com", "  un café très serré  ").await.problem(401, "bad_credentials");
    }

    async fn a_new_password_is_judged_by_what_is_known_of_the_customer(app: App) {
        let member = app.member("rosa.delgado@example.com").await;
        let path = format!("{}password/", member.path());
        for new in ["password1", "rosa.delgado@example.com", "rosadelgado", "qwertyuiop"] {
            let body = json!({"current_password": PASSWORD, "new_password": new});
            weak(&app.post(&path).token(&member.token).json(&body).send().await, "#/new_password");
        }
        app.sign_in(&member.email, PASSWORD).await.expect(200);
    }

    async fn a_long_password_is_judged_by_its_strongest_part_and_a_repeated_one_by_what_it_repeats(app: App) {
        let (strong, dull) = ("zQ8#kd02!plm", "a".repeat(200));
        for (number, password) in [
            format!("{strong}{dull}"), format!("{dull}{strong}"), format!("{dull}{strong}{}", &dull[..40]),
            "a sentence that somebody made up in the morning, and that is long".into(),
        ].into_iter().enumerate() {
            let mut body = registration(&format!("strong{number}@example.com"));
            body["password"] = json!(password);
            app.register(&body).await.expect(201);
        }
        for password in ["password1".repeat(28), "monkeydragon77".repeat(18), "RosaDelgado1".repeat(20), "ab".repeat(128)] {
            let mut body = registration("rosa.delgado@example.com");
            body["password"] = json!(password);
            weak(&app.register(&body).await, "#/password");
        }
    }

    async fn all_that_is_wrong_with_a_registration_stands_in_one_reply(app: App) {
        let body = json!({"email": "x", "first_name": "", "last_name": 7, "password": "password1", "password2": "password2",
            "date_of_birth": "1990-02-30", "address": {"country": "x"}, "extra": 1});
        app.register(&body).await.fields(&[
            ("#/email", "format"), ("#/first_name", "too_short"), ("#/last_name", "type"),
            ("#/password", "password_weak"), ("#/password2", "mismatch"), ("#/date_of_birth", "format"),
            ("#/address/street_address", "required"), ("#/address/city", "required"),
            ("#/address/country", "format"), ("#/extra", "unknown_field"),
        ]);
    }
}
