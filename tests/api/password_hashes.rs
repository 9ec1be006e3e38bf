//! Stored password hashes: Argon2id of today, rehashed where they are weaker or came from elsewhere.

use clientele::schema::passwords;
use diesel::prelude::*;

use crate::harness::{App, PASSWORD, on_both_databases, registration};

const TODAY: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// "lètmein" with 1,000 iterations, as Django writes it.
const DJANGO: &str = "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=";

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
    use argon2::PasswordHasher;
    let params = argon2::Params::new(memory, passes, 1, None).expect("parameters");
    let hasher = argon2::Argon2::new(algorithm, argon2::Version::V0x13, params);
    let salt = argon2::password_hash::SaltString::from_b64("c2FsdHNhbHRzYWx0").expect("a salt");
    hasher.hash_password(PASSWORD.as_bytes(), &salt).expect("a hash").to_string()
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
}
