//! Password hashes: Argon2id in the PHC format, and imported hashes, which the next sign-in replaces.

use argon2::password_hash::rand_core::{OsRng, RngCore};
use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Sha256;

/// OWASP's parameters for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The highest costs of an imported hash.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;
const MOST_ITERATIONS: u32 = 5_000_000;

/// The result of a check against a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    /// The password is wrong, or the hash cannot be parsed.
    Wrong,
    /// The password is right.
    Right,
    /// The password is right, and the stored hash is weaker than a new one.
    Outdated,
}

/// Returns the hasher of new passwords.
pub(super) fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes a password with a random salt.
pub(super) fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, String> {
    let salt = SaltString::generate(&mut OsRng);
    argon2.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Returns a hash that no known password matches and that costs as much to check as a new one. Its digest is random:
/// computing one would use 19 MiB before the first sign-in.
pub(super) fn of_nobody(argon2: &Argon2<'_>) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::generate(&mut OsRng);
    let mut digest = [0; 32];
    OsRng.try_fill_bytes(&mut digest).map_err(|_| argon2::password_hash::Error::Crypto)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&digest)?),
    };
    Ok(hash.to_string())
}

/// Checks a password against an Argon2 or a Django hash.
pub(super) fn verify(argon2: &Argon2<'_>, password: &str, stored: &str) -> Verification {
    if stored.starts_with("pbkdf2_sha256$") {
        return match django_matches(password, stored) {
            Some(true) => Verification::Outdated,
            _ => Verification::Wrong,
        };
    }
    let Ok(parsed) = PasswordHash::new(stored) else {
        return Verification::Wrong;
    };
    if argon2.verify_password(password.as_bytes(), &parsed).is_err() {
        return Verification::Wrong;
    }
    let current = Params::try_from(&parsed).is_ok_and(|params| {
        params.m_cost() >= MEMORY_KIB && params.t_cost() >= PASSES && parsed.algorithm == Algorithm::Argon2id.ident()
    });
    if current { Verification::Right } else { Verification::Outdated }
}

/// Parses a Django hash: `pbkdf2_sha256$<iterations>$<salt>$<base64 of 32 bytes>`.
fn django_parts(stored: &str) -> Option<(u32, &str, Vec<u8>)> {
    let mut parts = stored.split('$').skip(1);
    let (iterations, salt, digest) = (parts.next()?, parts.next()?, parts.next()?);
    let iterations = iterations.parse().ok().filter(|count| (1..=MOST_ITERATIONS).contains(count))?;
    let digest = STANDARD.decode(digest).ok().filter(|digest| digest.len() == 32)?;
    parts.next().is_none().then_some((iterations, salt, digest))
}

fn django_matches(password: &str, stored: &str) -> Option<bool> {
    use hmac::digest::CtOutput;
    let (iterations, salt, digest) = django_parts(stored)?;
    let derived = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt.as_bytes(), iterations);
    let stored: [u8; 32] = digest.try_into().ok()?;
    // Compared in constant time.
    Some(CtOutput::<hmac::Hmac<Sha256>>::new(derived.into()) == CtOutput::new(stored.into()))
}

/// Returns whether a hash from another system can be verified at a bounded cost.
pub fn is_importable(stored: &str) -> bool {
    if stored.starts_with("pbkdf2_sha256$") {
        return django_parts(stored).is_some();
    }
    PasswordHash::new(stored).is_ok_and(|parsed| {
        let algorithm = Algorithm::try_from(parsed.algorithm).is_ok();
        let bounded = Params::try_from(&parsed).is_ok_and(|params| {
            params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= MOST_PASSES && params.p_cost() <= MOST_LANES
        });
        // The library verifies neither other versions nor shorter salts.
        let version = parsed.version.is_none_or(|version| Version::try_from(version).is_ok());
        let salt = parsed.salt.is_some_and(|salt| {
            salt.decode_b64(&mut [0; Salt::MAX_LENGTH]).is_ok_and(|bytes| bytes.len() >= argon2::MIN_SALT_LEN)
        });
        algorithm && bounded && version && salt && parsed.hash.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_today_and_of_django_verify() {
        let argon2 = argon2().expect("valid parameters");
        let stored = hash(&argon2, "SecureP@ssw0rd123").expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(verify(&argon2, "SecureP@ssw0rd123", &stored), Verification::Right);
        assert_eq!(verify(&argon2, "SecureP@ssw0rd124", &stored), Verification::Wrong);
        // Made by Python: hashlib.pbkdf2_hmac("sha256", "lètmein".encode(), b"seasalt", 1000), in base64.
        let django = "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=";
        assert!(is_importable(django) && is_importable(&stored));
        assert_eq!(verify(&argon2, "lètmein", django), Verification::Outdated);
        assert_eq!(verify(&argon2, "letmein", django), Verification::Wrong);
    }

    #[test]
    fn the_hash_of_nobody_is_checked_like_one_of_today_and_is_never_right() {
        let argon2 = argon2().expect("valid parameters");
        let nobody = of_nobody(&argon2).expect("a hash");
        let somebody = hash(&argon2, "SecureP@ssw0rd123").expect("a hash");
        // Everything but salt and digest, whose lengths are the same.
        let parameters = |text: &str| text.split('$').take(4).map(ToOwned::to_owned).collect::<Vec<_>>();
        assert_eq!((parameters(&nobody), nobody.len()), (parameters(&somebody), somebody.len()));
        assert_eq!(verify(&argon2, "SecureP@ssw0rd123", &nobody), Verification::Wrong);
        assert_ne!(of_nobody(&argon2).expect("a hash"), nobody);
    }

    #[test]
    fn hashes_that_would_cost_too_much_are_not_importable() {
        for stored in [
            "",
            "plain",
            "pbkdf2_sha256$99999999$s$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "pbkdf2_sha1$1000$s$AAAA",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(!is_importable(stored), "{stored}");
        }
    }
}
