//! Stored password hashes: Argon2id of today, rehashed where they are weaker or came from elsewhere.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clientele::schema::passwords;
use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, PASSWORD, on_both_databases, registration};

const TODAY: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// "lètmein" with 1,000 iterations, as Django writes it.
const DJANGO: &str = "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=";

/// The same password, hashed by Python's bcrypt, Django and passlib.
const ELSEWHERE: [&str; 7] = [
    "$2a$05$aNz7VjOtqEUs44QmDuycROn6zYtIrQoSA5ehfXOAi7UkBGHkNohaq",
    "$2b$12$Bf4HkSNWFNyizlMVPUHI2OnwFq8nN.H0LXyHAu8Id/9FqY2Hs0a.6",
    "$2y$05$UsJmfBNIi0LjZheSpcyWRutVmDXs.UCKOXjLdi8K9his4vec5FA9m",
    "bcrypt$$2b$05$9hSEZL2Xlo.jbY.nThp8x.rG697NYLRCOxZrX1FLX0bFwyc1aG1pu",
    "bcrypt_sha256$$2b$05$.4ZaCbfCLXw61nKSmUTX2eKX4jzxQN.sUWXZLX8rkPZMv/4KXATBq",
    "scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw==",
    "$scrypt$ln=10,r=8,p=1$QiglZKzVuve+F0II4bwXog$OU5V60w2Wacx7Y568/Upkqne4YvsCRCSIx6md+p/RYk",
];

fn stored(app: &App) -> String {
    app.texts("SELECT hash AS value FROM passwords").pop().expect("a hash")
}

fn store(app: &App, id: i64, hash: &str) {
    let changed =
        diesel::update(passwords::table.find(id)).set(passwords::hash.eq(hash)).execute(&mut app.connection());
    assert_eq!(changed.expect("an update"), 1);
}

/// A hash by the same crate with other parameters.
fn argon2(algorithm: argon2::Algorithm, memory: u32, passes: u32) -> String {
    argon2_of(PASSWORD, algorithm, memory, passes)
}

/// A hash as Django writes it.
fn django(password: &str, rounds: u32) -> String {
    let digest = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password.as_bytes(), b"seasalt", rounds);
    format!("pbkdf2_sha256${rounds}$seasalt${}", STANDARD.encode(digest))
}

fn argon2_of(password: &str, algorithm: argon2::Algorithm, memory: u32, passes: u32) -> String {
    use argon2::PasswordHasher;
    let params = argon2::Params::new(memory, passes, 1, None).expect("parameters");
    let hasher = argon2::Argon2::new(algorithm, argon2::Version::V0x13, params);
    let salt = argon2::password_hash::SaltString::from_b64("c2FsdHNhbHRzYWx0").expect("a salt");
    hasher.hash_password(password.as_bytes(), &salt).expect("a hash").to_string()
}

on_both_databases! {
    async fn a_password_is_stored_as_argon2id_with_19_mib_and_two_passes(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        app.register(&registration("ada@example.com")).await.expect(201);
        let hashes = app.texts("SELECT hash AS value FROM passwords");
        assert!(hashes.iter().all(|hash| hash.starts_with(TODAY)), "{hashes:?}");
        // A salt of its own for each.
        assert_ne!(hashes[0], hashes[1]);
        app.sign_in("rosa@example.com", PASSWORD).await.expect(200);
        assert!(app.texts("SELECT hash AS value FROM passwords").contains(&hashes[0]), "a good hash stays");
    }

    async fn a_hash_of_django_signs_in_and_is_rehashed(app: App) {
        let member = app.member("rosa@example.com").await;
        store(&app, member.id, DJANGO);
        app.sign_in("rosa@example.com", "letmein").await.problem(401, "bad_credentials");
        assert_eq!(stored(&app), DJANGO);
        app.sign_in("rosa@example.com", "lètmein").await.expect(200);
        assert!(stored(&app).starts_with(TODAY), "{}", stored(&app));
        app.sign_in("rosa@example.com", "lètmein").await.expect(200);
        app.sign_in("rosa@example.com", "letmein").await.problem(401, "bad_credentials");
        // A new hash is no new password: other sessions live on.
        app.profile(&member).await.expect(200);
    }

    async fn hashes_of_other_systems_sign_in_and_are_rehashed(app: App) {
        let member = app.member("rosa@example.com").await;
        for hash in ELSEWHERE {
            store(&app, member.id, hash);
            for wrong in ["letmein", "lètmein ", hash] {
                app.sign_in("rosa@example.com", wrong).await.problem(401, "bad_credentials");
            }
            assert_eq!(stored(&app), hash);
            app.sign_in("rosa@example.com", "lètmein").await.expect(200);
            assert!(stored(&app).starts_with(TODAY), "{hash} became {}", stored(&app));
            app.sign_in("rosa@example.com", "lètmein").await.expect(200);
            app.sign_in("rosa@example.com", "letmein").await.problem(401, "bad_credentials");
        }
    }

    async fn a_hash_whose_check_would_never_end_is_not_checked(app: App) {
        let member = app.member("rosa@example.com").await;
        let hostile = ["$2b$31$aeS.4uS5rG.DPjf3ZFPCW.KAbd/06SX.9xArdIF3X9PDCjHqwHCN.".to_owned(),
            format!("$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ${}", "A".repeat(43)),
            format!("pbkdf2_sha256$4000000000$s${}=", "A".repeat(43))];
        for hash in hostile {
            store(&app, member.id, &hash);
            let began = Instant::now();
            app.sign_in("rosa@example.com", PASSWORD).await.problem(401, "bad_credentials");
            assert!(began.elapsed() < Duration::from_secs(5), "{hash}: {:?}", began.elapsed());
        }
    }

    async fn overlapping_sign_ins_succeed_while_the_first_one_replaces_the_hash(app: App) {
        let member = app.member("rosa@example.com").await;
        store(&app, member.id, DJANGO);
        let sign_ins = (0..4).map(|_| app.sign_in("rosa@example.com", "lètmein"));
        for reply in futures_util::future::join_all(sign_ins).await {
            reply.expect(200);
        }
        assert!(stored(&app).starts_with(TODAY), "{}", stored(&app));
    }

    async fn weaker_parameters_are_rehashed_at_the_next_sign_in_and_stronger_ones_kept(app: App) {
        use argon2::Algorithm::{Argon2i, Argon2id};
        let member = app.member("rosa@example.com").await;
        for weaker in [argon2(Argon2id, 4_096, 3), argon2(Argon2id, 19_456, 1), argon2(Argon2i, 19_456, 2)] {
            store(&app, member.id, &weaker);
            app.sign_in("rosa@example.com", "wrong").await.problem(401, "bad_credentials");
            assert_eq!(stored(&app), weaker);
            app.sign_in("rosa@example.com", PASSWORD).await.expect(200);
            assert!(stored(&app).starts_with(TODAY), "{weaker} became {}", stored(&app));
        }
        let stronger = argon2(Argon2id, 32_768, 3);
        store(&app, member.id, &stronger);
        app.sign_in("rosa@example.com", PASSWORD).await.expect(200);
        assert_eq!(stored(&app), stronger);
    }

    async fn a_hash_that_cannot_be_read_signs_nobody_in(app: App) {
        let member = app.member("rosa@example.com").await;
        for broken in ["", "!", "plain", PASSWORD, "$argon2id$", "pbkdf2_sha256$x$y$z", "md5$a$b", "$2b$12$abc"] {
            store(&app, member.id, broken);
            for password in [PASSWORD, broken, ""] {
                app.sign_in("rosa@example.com", password).await.problem(401, "bad_credentials");
            }
        }
    }

    async fn a_hash_from_elsewhere_verifies_in_the_composition_that_it_was_made_of(app: App) {
        let member = app.member("rosa@example.com").await;
        let (composed, decomposed) = ("lètmein, chéri", "le\u{300}tmein, che\u{301}ri");
        let made = [
            django(decomposed, 1_000),
            argon2_of(decomposed, argon2::Algorithm::Argon2id, 4_096, 3),
            // As good as one of today, but for the composition.
            argon2_of(decomposed, argon2::Algorithm::Argon2id, 19_456, 2),
        ];
        for hash in made {
            store(&app, member.id, &hash);
            app.sign_in("rosa@example.com", composed).await.problem(401, "bad_credentials");
            app.sign_in("rosa@example.com", "le\u{300}tmein").await.problem(401, "bad_credentials");
            assert_eq!(stored(&app), hash);
            app.sign_in("rosa@example.com", decomposed).await.expect(200);
            // From then on it is of the normal form, and every keyboard will do.
            assert!(stored(&app).starts_with(TODAY), "{hash} became {}", stored(&app));
            app.sign_in("rosa@example.com", composed).await.expect(200);
            app.sign_in("rosa@example.com", decomposed).await.expect(200);
        }
        // A hash of the normal form needs no second try.
        store(&app, member.id, &django(composed, 1_000));
        app.sign_in("rosa@example.com", decomposed).await.expect(200);
        // The current password of a change is checked in the same way.
        store(&app, member.id, &django(decomposed, 1_000));
        let change = json!({"current_password": decomposed, "new_password": PASSWORD});
        let ask = app.post(&format!("{}password/", member.path())).token(&member.token).json(&change);
        ask.send().await.expect(204);
    }

    async fn how_long_a_wrong_password_takes_does_not_tell_what_is_stored(app: App) {
        let floor = Duration::from_millis(1_500);
        let member = app.member("rosa@example.com").await;
        app.customer(7, "legacy@example.com", "Legacy", "Customer");
        let app = app.instance(&[
            ("CLIENTELE__AUTH__WRONG_PASSWORD_MILLISECONDS", "1500"), ("CLIENTELE__AUTH__PASSWORD_THREADS", "1"),
        ]);
        let took = async |email: &str| {
            let began = Instant::now();
            app.sign_in(email, "wrong").await.problem(401, "bad_credentials");
            began.elapsed()
        };
        for hash in [django("lètmein", 20_000), argon2(argon2::Algorithm::Argon2id, 65_536, 2), "broken".into(), ELSEWHERE[1].into(), ELSEWHERE[5].into(), DJANGO.into()] {
            store(&app, member.id, &hash);
            assert!(took("rosa@example.com").await >= floor, "{hash}");
        }
        for email in ["nobody@example.com", "legacy@example.com"] {
            assert!(took(email).await >= floor, "{email}");
        }
        // They wait without a thread: ten take no longer than a few.
        store(&app, member.id, DJANGO);
        let began = Instant::now();
        join_all((0..10).map(|_| took("nobody@example.com"))).await;
        assert!(began.elapsed() < floor * 6, "{:?}", began.elapsed());
        app.sign_in("rosa@example.com", "lètmein").await.expect(200);
    }
}
