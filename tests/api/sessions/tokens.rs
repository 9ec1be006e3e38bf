//! Access tokens: which are good, which are not, and what the reply says (RFC 6750, 7519, 9068).

use jsonwebtoken::{Algorithm, Header};
use serde_json::json;

use crate::harness::{App, Forgery, now, on_both_databases};

const JOHN: &str = "/api/v1/customers/123/";
/// `{"alg":"none"}` and `{"alg":"none","typ":"at+jwt"}`, in base64url.
const ALG_NONE: [&str; 2] = ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"];
const INVALID: &str = r#"Bearer realm="customers", error="invalid_token""#;

async fn is_good(app: &App, token: &str) {
    app.get(JOHN).token(token).send().await.expect(200);
}

async fn is_refused(app: &App, what: &str, token: &str, code: &str) {
    let reply = app.get(JOHN).token(token).send().await;
    assert_eq!(reply.status(), 401, "{what}");
    reply.problem(401, code);
    let challenge = reply.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with(INVALID), "{what}: {challenge}");
}

/// `header.claims.signature`
fn parts(token: &str) -> (&str, &str, &str) {
    let (rest, signature) = token.rsplit_once('.').expect("a signature");
    let (header, claims) = rest.split_once('.').expect("claims");
    (header, claims, signature)
}

on_both_databases! {
    async fn a_token_minted_elsewhere_with_the_same_key_needs_sub_and_exp_only(app: App) {
        app.john();
        is_good(&app, &Forgery::good(123).sign()).await;
        for typ in [None, Some("at+jwt"), Some("AT+JWT"), Some("JWT"), Some("application/at+jwt")] {
            is_good(&app, &Forgery::good(123).header(|header| header.typ = typ.map(Into::into)).sign()).await;
        }
        is_good(&app, &Forgery::good(123).claim("iss", "anybody").claim("aud", json!(["any", "body"])).sign()).await;
        is_good(&app, &Forgery::good(123).claim("nbf", now() - 5).claim("iat", now()).claim("role", "admin").sign()).await;
    }

    async fn the_scheme_is_read_in_any_case(app: App) {
        let john = app.john();
        for scheme in ["Bearer", "bearer", "BEARER"] {
            app.get(JOHN).header("Authorization", &format!("{scheme} {}", john.token)).send().await.expect(200);
        }
    }

    async fn no_token_is_401_with_a_bare_challenge(app: App) {
        let john = app.john();
        let bare = Some(r#"Bearer realm="customers""#);
        let reply = app.get(JOHN).send().await;
        reply.problem(401, "token_missing");
        assert_eq!(reply.header("www-authenticate"), bare);
        for other in ["Basic am9objpzZWNyZXQ=".to_owned(), format!("Token {}", john.token), john.token.clone()] {
            let reply = app.get(JOHN).header("Authorization", &other).send().await;
            reply.problem(401, "token_missing");
            assert_eq!(reply.header("www-authenticate"), bare);
        }
    }

    async fn a_token_in_the_query_string_a_cookie_or_the_body_is_none(app: App) {
        let john = app.john();
        for name in ["access_token", "token", "authorization"] {
            app.get(&format!("{JOHN}?{name}={}", john.token)).send().await.problem(401, "token_missing");
            app.get(JOHN).header("Cookie", &format!("{name}={}", john.token)).send().await.problem(401, "token_missing");
            app.put(JOHN).json(&json!({name: john.token})).send().await.problem(401, "token_missing");
        }
    }

    async fn garbage_is_401(app: App) {
        let john = app.john();
        let (header, claims, signature) = parts(&john.token);
        let long = format!("{}.{claims}.{signature}", "e".repeat(5_000));
        for token in [
            "x", "a.b", "a.b.c", "...", "..", "null", "eyJ", &format!("{header}.{claims}"), &format!("{header}.{claims}."),
            &format!("{header}..{signature}"), &format!(".{claims}.{signature}"), &format!("{}.x", john.token),
            &format!("{}=", john.token), &format!("{header}.{claims}.{signature}A"), &long,
        ] {
            is_refused(&app, token, token, "token_invalid").await;
        }
        app.get(JOHN).header("Authorization", "Bearer").send().await.problem(401, "token_invalid");
        app.get(JOHN).header("Authorization", "Bearer ").send().await.problem(401, "token_invalid");
    }

    async fn two_authorization_headers_are_401(app: App) {
        let john = app.john();
        for (first, second) in [(john.token.as_str(), john.token.as_str()), (&john.token, "x"), ("x", &john.token)] {
            app.get(JOHN).token(first).token(second).send().await.problem(401, "token_invalid");
        }
    }

    async fn another_signature_is_401(app: App) {
        app.john();
        let good = Forgery::good(123).sign();
        let (header, _, signature) = parts(&good);
        let other = Forgery::good(124).sign();
        let (_, other_claims, _) = parts(&other);
        is_refused(&app, "claims exchanged", &format!("{header}.{other_claims}.{signature}"), "token_invalid").await;
        for secret in ["", "secret", "another signing secret, just as long as the true one"] {
            is_refused(&app, secret, &Forgery::good(123).secret(secret).sign(), "token_invalid").await;
        }
    }

    async fn the_algorithm_is_pinned(app: App) {
        app.john();
        let good = Forgery::good(123).sign();
        let (_, claims, signature) = parts(&good);
        for header in ALG_NONE {
            for signature in ["", signature] {
                is_refused(&app, "none", &format!("{header}.{claims}.{signature}"), "token_invalid").await;
            }
        }
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            let forgery = Forgery::good(123).header(|header| header.alg = algorithm);
            is_refused(&app, "another HMAC", &forgery.sign(), "token_invalid").await;
        }
    }

    async fn headers_that_must_be_understood_are_401(app: App) {
        app.john();
        let change = |change: fn(&mut Header)| Forgery::good(123).header(change).sign();
        is_refused(&app, "kid", &change(|header| header.kid = Some("1".into())), "token_invalid").await;
        is_refused(&app, "crit", &change(|header| header.crit = Some(vec!["exp".into()])), "token_invalid").await;
        for typ in ["at", "dpop+jwt", "rt+jwt", "", "application/"] {
            let forgery = Forgery::good(123).header(|header| header.typ = Some(typ.into()));
            is_refused(&app, typ, &forgery.sign(), "token_invalid").await;
        }
    }

    async fn an_expired_token_is_told_from_an_invalid_one(app: App) {
        app.john();
        for age in [0, 1, 60, 1_000_000] {
            is_refused(&app, "past exp", &Forgery::good(123).claim("exp", now() - age).sign(), "token_expired").await;
        }
        let reply = app.get(JOHN).token(&Forgery::good(123).claim("exp", 1).sign()).send().await;
        assert!(reply.header("www-authenticate").is_some_and(|challenge| challenge.contains("error_description")));
    }

    async fn a_token_without_a_good_exp_is_401(app: App) {
        app.john();
        is_refused(&app, "none", &Forgery::good(123).without("exp").sign(), "token_invalid").await;
        for exp in [json!((now() + 600).to_string()), json!(null), json!([now() + 600]), json!(-1), json!(true), json!("never")] {
            let reply = app.get(JOHN).token(&Forgery::good(123).claim("exp", exp.clone()).sign()).send().await;
            assert_eq!(reply.status(), 401, "{exp}");
        }
    }

    async fn a_token_of_the_future_is_401(app: App) {
        app.john();
        is_refused(&app, "nbf", &Forgery::good(123).claim("nbf", now() + 300).sign(), "token_invalid").await;
        is_refused(&app, "nbf", &Forgery::good(123).claim("nbf", "soon").sign(), "token_invalid").await;
    }

    async fn a_sub_that_is_no_id_is_401(app: App) {
        app.john();
        is_refused(&app, "none", &Forgery::good(123).without("sub").sign(), "token_invalid").await;
        for sub in [
            json!(""), json!("0"), json!("-123"), json!("0123"), json!("123 "), json!("me"), json!("john@example.com"),
            json!("9007199254740992"), json!(null), json!(["123"]), json!({"id": "123"}), json!("123\0"),
        ] {
            is_refused(&app, &sub.to_string(), &Forgery::good(123).claim("sub", sub.clone()).sign(), "token_invalid").await;
        }
    }

    async fn claims_that_are_no_object_are_401(app: App) {
        app.john();
        for claims in [json!([]), json!("123"), json!(null), json!(1), json!({})] {
            is_refused(&app, "claims", &Forgery::of(claims).sign(), "token_invalid").await;
        }
    }

    async fn a_configured_issuer_and_audience_are_demanded(app: App) {
        app.john();
        let strict = app.instance(&[("CLIENTELE__AUTH__ISSUER", "https://id.example"), ("CLIENTELE__AUTH__AUDIENCE", "shop")]);
        let good = || Forgery::good(123).claim("iss", "https://id.example").claim("aud", "shop");
        is_good(&strict, &strict.token(123)).await;
        is_good(&strict, &good().sign()).await;
        is_good(&strict, &good().claim("aud", json!(["other", "shop"])).sign()).await;
        for (what, forgery) in [
            ("no iss", good().without("iss")),
            ("no aud", good().without("aud")),
            ("other iss", good().claim("iss", "https://id.example/")),
            ("other aud", good().claim("aud", "shops")),
            ("empty aud", good().claim("aud", json!([]))),
            ("null iss", good().claim("iss", json!(null))),
            ("number aud", good().claim("aud", 1)),
        ] {
            is_refused(&strict, what, &forgery.sign(), "token_invalid").await;
        }
        is_refused(&strict, "a token for nobody", &app.token(123), "token_invalid").await;
    }

    async fn a_sid_that_is_no_session_is_401(app: App) {
        app.john();
        for sid in [json!(""), json!("0"), json!("x"), json!(-1), json!("1' OR 1=1")] {
            is_refused(&app, "sid", &Forgery::good(123).claim("sid", sid).sign(), "token_invalid").await;
        }
    }
}
