//! EdDSA: keys from files, their publication, their rotation, and an independent verifier.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::harness::{App, Binary, Finished, Forgery, Person, claims, decoded, on_both_databases, signed_part};

/// A file with a new key, made by the command, and the key id that it printed.
fn generate(binary: &Binary, name: &str) -> (PathBuf, String) {
    let kid = binary.run(&["keys", "generate", "--out", name]).done().to_owned();
    (binary.folder().join(name), kid)
}

/// An instance that signs with one key and accepts others.
fn signing(app: &App, key: &Path, others: &[&Path]) -> App {
    let others: Vec<&str> = others.iter().map(|path| path.to_str().expect("a path")).collect();
    app.instance(&[
        ("CLIENTELE__AUTH__ALGORITHM", "EdDSA"),
        ("CLIENTELE__AUTH__KEY_FILE", key.to_str().expect("a path")),
        ("CLIENTELE__AUTH__VERIFICATION_KEY_FILES", &others.join(",")),
    ])
}

async fn jwks(app: &App) -> Value {
    let reply = app.get("/.well-known/jwks.json").send().await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

fn kids(jwks: &Value) -> Vec<&str> {
    let keys = jwks["keys"].as_array().expect("a list of keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a kid")).collect()
}

/// A token signed with the key of a file, whatever its header says.
fn signed_with(file: &Path, id: i64, change: impl FnOnce(&mut Header)) -> String {
    let key = SigningKey::from_pkcs8_pem(&std::fs::read_to_string(file).expect("a key file")).expect("a key");
    let mut header = Header::new(Algorithm::EdDSA);
    change(&mut header);
    let signed = signed_part(&header, &claims(id));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes());
    format!("{signed}.{signature}")
}

fn kid(name: &str) -> impl FnOnce(&mut Header) {
    move |header| header.kid = Some(name.to_owned())
}

#[test]
fn a_key_file_may_begin_with_a_byte_order_mark_and_end_in_lines() {
    let binary = Binary::bare().with("CLIENTELE__AUTH__ALGORITHM", "EdDSA").with("CLIENTELE__AUTH__KEY_FILE", "k.pem");
    let binary = binary.with("CLIENTELE__AUTH__VERIFICATION_KEY_FILES", "k.pem");
    let (path, _) = generate(&binary, "key.pem");
    let pem = std::fs::read_to_string(path).expect("a key file");
    std::fs::write(binary.folder().join("k.pem"), format!("\u{feff}{pem}\n \n")).expect("another");
    binary.run(&["token", "issue", "--customer", "1"]).done();
}

/// The public half, as another tool would hand it over.
fn public_pem(binary: &Binary, jwk: &Value) -> PathBuf {
    let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().expect("x")).expect("base64url");
    // RFC 8410 §4: the algorithm identifier of Ed25519, then the key as a bit string.
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend(x);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    let path = binary.folder().join("public.pem");
    std::fs::write(&path, pem).expect("a public key file");
    path
}

fn pyjwt(binary: &Binary, jwks: &Value, token: &str) -> Finished {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/tools/python/bin/python3");
    assert!(python.exists(), "{} is missing: tests/run installs it, with PyJWT", python.display());
    let file = binary.folder().join("jwks.json");
    std::fs::write(&file, jwks.to_string()).expect("a JWKS file");
    let mut command = Command::new(python);
    command.arg(root.join("tests/verify_with_pyjwt.py")).arg(file).arg(token);
    Finished::from(command.output().expect("python runs"))
}

on_both_databases! {
    async fn a_generated_key_signs_tokens_that_name_it_and_the_jwks_publishes_its_public_half(app: App) {
        let binary = Binary::bare();
        let (key, id) = generate(&binary, "key.pem");
        let app = signing(&app, &key, &[]);
        let member = app.member("rosa@example.com").await;
        assert_eq!(decoded(&member.token, 0), json!({"typ": "at+jwt", "alg": "EdDSA", "kid": id}));
        app.profile(&member).await.expect(200);
        let jwks = jwks(&app).await;
        assert_eq!(kids(&jwks), [&id]);
        let published = jwks["keys"][0].as_object().expect("a key");
        let mut names: Vec<&str> = published.keys().map(String::as_str).collect();
        names.sort_unstable();
        // No `d`: the private half stays where it is.
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
        let told = |name: &str| published[name].as_str().expect("a text").to_owned();
        assert_eq!((told("kty"), told("crv"), told("use"), told("alg")),
            ("OKP".into(), "Ed25519".into(), "sig".into(), "EdDSA".into()));
    }

    async fn pyjwt_verifies_the_tokens_with_the_published_keys_alone(app: App) {
        let binary = Binary::bare();
        let ((key, _), (old, _)) = (generate(&binary, "key.pem"), generate(&binary, "old.pem"));
        let service = signing(&app, &key, &[&old]);
        let member = service.member("rosa@example.com").await;
        let published = jwks(&service).await;
        let verified: Value = serde_json::from_str(pyjwt(&binary, &published, &member.token).done()).expect("JSON");
        assert_eq!(verified, member.claims());
        assert_eq!(verified["sub"], member.id.to_string());
        // The verifier is not one that passes everything.
        let (head, tail) = member.token.split_at(member.token.len() - 20);
        let altered = format!("{head}{}", tail.chars().rev().collect::<String>());
        assert_ne!(pyjwt(&binary, &published, &altered).code, Some(0));
        let (other, _) = generate(&binary, "other.pem");
        let foreign = signing(&app, &other, &[]).session_of(&member.email, crate::harness::PASSWORD).await;
        assert_ne!(pyjwt(&binary, &published, &foreign.token).code, Some(0));
    }

    async fn keys_rotate_without_signing_anybody_out(app: App) {
        let binary = Binary::bare();
        let ((old, old_kid), (new, new_kid)) = (generate(&binary, "old.pem"), generate(&binary, "new.pem"));
        assert_ne!(old_kid, new_kid);
        let before = signing(&app, &old, &[]);
        let member = before.member("rosa@example.com").await;
        let rotated = signing(&app, &new, &[&old]);
        let published = jwks(&rotated).await;
        assert_eq!(kids(&published), [&new_kid, &old_kid]);
        rotated.profile(&member).await.expect(200);
        let tokens = rotated.refresh(&member.refresh).await.expect(200).json();
        let next = Person { token: tokens["access"].as_str().expect("a token").into(), ..member.clone() };
        assert_eq!(decoded(&next.token, 0)["kid"], new_kid);
        // The public half of the old key is enough.
        let public = public_pem(&binary, &published["keys"][1]);
        let public_only = signing(&app, &new, &[&public]);
        assert_eq!(jwks(&public_only).await, published);
        public_only.profile(&member).await.expect(200);
        // Retired, the old key opens nothing.
        let after = signing(&app, &new, &[]);
        after.profile(&next).await.expect(200);
        after.profile(&member).await.problem(401, "token_invalid");
    }

    async fn only_tokens_of_the_published_keys_are_accepted(app: App) {
        let binary = Binary::bare();
        let ((key, id), (old, old_id), (other, other_id)) =
            (generate(&binary, "key.pem"), generate(&binary, "old.pem"), generate(&binary, "other.pem"));
        let john = app.john();
        let app = signing(&app, &key, &[&old]);
        let get = |token: String| app.get(&john.path()).token(&token).send();
        for good in [signed_with(&key, 123, kid(&id)), signed_with(&old, 123, kid(&old_id)), signed_with(&key, 123, |_| {})] {
            get(good).await.expect(200);
        }
        for bad in [
            signed_with(&other, 123, kid(&other_id)),
            signed_with(&other, 123, kid(&id)),
            signed_with(&other, 123, |_| {}),
            signed_with(&key, 123, kid(&old_id)),
            signed_with(&key, 123, kid("unknown")),
            signed_with(&key, 123, kid("")),
            signed_with(&old, 123, |_| {}),
            // HS256, with the service's own secret and with the public key as the secret.
            Forgery::good(123).sign(),
            Forgery::good(123).header(|header| header.kid = Some(id.clone())).sign(),
            Forgery::good(123).secret(jwks(&app).await["keys"][0]["x"].as_str().expect("x")).sign(),
        ] {
            get(bad).await.problem(401, "token_invalid");
        }
    }

    async fn with_hs256_the_key_set_is_empty_and_eddsa_is_refused(app: App) {
        let reply = app.get("/.well-known/jwks.json").send().await.expect(200);
        assert_eq!(reply.text(), r#"{"keys":[]}"#);
        let binary = Binary::bare();
        let (key, id) = generate(&binary, "key.pem");
        let john = app.john();
        app.get(&john.path()).token(&signed_with(&key, 123, kid(&id))).send().await.problem(401, "token_invalid");
    }

    async fn a_token_of_the_command_line_is_signed_with_the_key_too(app: App) {
        let folder = Binary::bare();
        let (key, id) = generate(&folder, "key.pem");
        let john = app.john();
        let binary = Binary::on(app.database_url())
            .with("CLIENTELE__AUTH__ALGORITHM", "EdDSA")
            .with("CLIENTELE__AUTH__KEY_FILE", key.to_str().expect("a path"));
        let token = binary.run(&["token", "issue", "--customer", "123"]).done().to_owned();
        assert_eq!(decoded(&token, 0)["kid"], id);
        let serving = binary.serve();
        app.at(serving.address).get(&john.path()).token(&token).send().await.expect(200);
    }
}

#[test]
fn a_generated_key_is_private_and_never_overwrites_a_file() {
    let binary = Binary::bare();
    let (path, kid) = generate(&binary, "key.pem");
    let pem = std::fs::read_to_string(&path).expect("the key file");
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "a PKCS#8 PEM file");
    let mode = std::fs::metadata(&path).expect("the key file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A SHA-256 thumbprint in base64url (RFC 7638).
    assert_eq!(kid.len(), 43, "{kid}");
    binary.run(&["keys", "generate", "--out", "key.pem"]).refused(1, &["key.pem"]);
    assert_eq!(std::fs::read_to_string(&path).expect("the key file"), pem);
    binary.run(&["keys", "generate", "--out", "no/such/folder/key.pem"]).refused(1, &["no/such/folder"]);
}

#[test]
fn eddsa_without_a_good_key_is_a_configuration_error() {
    let eddsa =
        || Binary::bare().with("CLIENTELE__AUTH__ALGORITHM", "EdDSA").with("CLIENTELE__SERVER__BIND", "127.0.0.1:0");
    eddsa().run(&["serve"]).refused(2, &["auth.key_file"]);
    eddsa().with("CLIENTELE__AUTH__KEY_FILE", "missing.pem").run(&["serve"]).refused(2, &["missing.pem"]);
    let binary = eddsa().with("CLIENTELE__AUTH__KEY_FILE", "bad.pem");
    std::fs::write(binary.folder().join("bad.pem"), "no key").expect("a file");
    binary.run(&["serve"]).refused(2, &["auth.key_file", "bad.pem"]);
    let binary =
        eddsa().with("CLIENTELE__AUTH__KEY_FILE", "key.pem").with("CLIENTELE__AUTH__VERIFICATION_KEY_FILES", "bad.pem");
    generate(&binary, "key.pem");
    std::fs::write(binary.folder().join("bad.pem"), "no key").expect("a file");
    binary.run(&["serve"]).refused(2, &["auth.verification_key_files", "bad.pem"]);
}
