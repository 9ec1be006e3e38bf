//! Password hashes: Argon2id in the PHC format. Others are verified too, see [`Imported`].

use argon2::password_hash::rand_core::{OsRng, RngCore};
use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

use super::imported::{Imported, TOO_EXPENSIVE};

/// OWASP's parameters for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The highest costs of an imported hash of Argon2.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

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

/// Checks a password against a stored hash.
pub(super) fn verify(argon2: &Argon2<'_>, password: &str, stored: &str) -> Verification {
    if let Some(imported) = Imported::parse(stored) {
        return match imported {
            Ok(imported) if imported.matches(password) => Verification::Outdated,
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

/// Checks that a hash from another system can be verified at a bounded cost.
///
/// # Errors
/// Says why not.
pub fn check_importable(stored: &str) -> Result<(), &'static str> {
    if let Some(imported) = Imported::parse(stored) {
        return imported.map(drop);
    }
    let malformed = "Use a hash of Argon2, bcrypt or scrypt, or of Django's PBKDF2.";
    let parsed = PasswordHash::new(stored).map_err(|_| malformed)?;
    let params = Params::try_from(&parsed).map_err(|_| malformed)?;
    let algorithm = Algorithm::try_from(parsed.algorithm).is_ok();
    // The library verifies neither other versions nor shorter salts.
    let version = parsed.version.is_none_or(|version| Version::try_from(version).is_ok());
    let salt = parsed.salt.is_some_and(|salt| {
        salt.decode_b64(&mut [0; Salt::MAX_LENGTH]).is_ok_and(|bytes| bytes.len() >= argon2::MIN_SALT_LEN)
    });
    if !(algorithm && version && salt && parsed.hash.is_some()) {
        return Err(malformed);
    }
    if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > MOST_PASSES || params.p_cost() > MOST_LANES {
        return Err(TOO_EXPENSIVE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_today_verifies() {
        let argon2 = argon2().expect("valid parameters");
        let stored = hash(&argon2, "SecureP@ssw0rd123").expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(verify(&argon2, "SecureP@ssw0rd123", &stored), Verification::Right);
        assert_eq!(verify(&argon2, "SecureP@ssw0rd124", &stored), Verification::Wrong);
        assert_eq!(check_importable(&stored), Ok(()));
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
    fn a_hash_of_argon2_is_importable_if_it_is_complete_and_its_cost_bounded() {
        let hash = |parameters: &str| format!("$argon2id$v=19${parameters}$c2FsdHNhbHQ${}", "A".repeat(43));
        assert_eq!(check_importable(&hash("m=65536,t=3,p=4")), Ok(()));
        for expensive in ["m=4194304,t=2,p=1", "m=19456,t=17,p=1", "m=19456,t=2,p=17"] {
            assert_eq!(check_importable(&hash(expensive)), Err(TOO_EXPENSIVE), "{expensive}");
        }
        for malformed in
            ["", "plain", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", "pbkdf2_sha1$1000$s$AAAA"]
        {
            assert!(check_importable(malformed).is_err_and(|reason| reason != TOO_EXPENSIVE), "{malformed}");
        }
    }
}
