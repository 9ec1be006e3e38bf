//! Password hashes of other systems. They are only verified; the next sign-in replaces them.

use std::str::FromStr;

use argon2::password_hash::{Output, PasswordHash, Salt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The highest costs of an imported hash. Checking one at any of these limits takes a core a few seconds.
const MOST_ROUNDS: u32 = 5_000_000;
const MOST_BCRYPT_COST: u32 = 15;
const MOST_SCRYPT_BYTES: u64 = 256 * 1024 * 1024;
/// What scrypt mixes: its memory, once for each lane.
const MOST_SCRYPT_MIXED_BYTES: u64 = 1024 * 1024 * 1024;
/// In bytes. A shorter digest may be what is left of a longer one.
const SHORTEST_DIGEST: usize = 16;

const MALFORMED: &str = "This hash is incomplete or damaged.";
pub(super) const TOO_EXPENSIVE: &str = "This hash takes too much time or memory to check.";

/// A hash that can be verified at a bounded cost.
pub(super) enum Imported<'a> {
    /// PBKDF2 with HMAC-SHA-256.
    Pbkdf2 { rounds: u32, salt: &'a str, digest: Output },
    /// bcrypt, beginning with `$2a$`, `$2b$` or `$2y$`.
    Bcrypt(&'a str),
    /// bcrypt of the hexadecimal digits of the password's SHA-256, so that all of a long password counts.
    BcryptOfSha256(&'a str),
    /// scrypt.
    Scrypt { params: scrypt::Params, salt: Vec<u8>, digest: Output },
}

impl<'a> Imported<'a> {
    /// Parses a hash. Returns `None` if it has none of the known forms.
    ///
    /// # Errors
    /// Says why the hash cannot be verified.
    pub(super) fn parse(stored: &'a str) -> Option<Result<Self, &'static str>> {
        let has_dollar = stored.starts_with('$');
        let (scheme, rest) = stored.strip_prefix('$').unwrap_or(stored).split_once('$')?;
        Some(match (has_dollar, scheme) {
            (true, "2a" | "2b" | "2y") => bcrypt_hash(stored).map(Self::Bcrypt),
            (true, "scrypt") => phc_scrypt(stored),
            (false, "pbkdf2_sha256") => django_pbkdf2(rest),
            (false, "bcrypt") => bcrypt_hash(rest).map(Self::Bcrypt),
            (false, "bcrypt_sha256") => bcrypt_hash(rest).map(Self::BcryptOfSha256),
            (false, "scrypt") => django_scrypt(rest),
            _ => return None,
        })
    }

    /// Checks a password. [`Output`] compares digests in constant time.
    pub(super) fn matches(&self, password: &str) -> bool {
        match self {
            Self::Pbkdf2 { rounds, salt, digest } => {
                let derived = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt.as_bytes(), *rounds);
                Output::new(&derived).is_ok_and(|derived| derived == *digest)
            }
            // Like the systems that made the hash, this ignores what follows the first 72 bytes of a password.
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::BcryptOfSha256(hash) => {
                bcrypt::verify(format!("{:x}", Sha256::digest(password)), hash).unwrap_or(false)
            }
            Self::Scrypt { params, salt, digest } => {
                let mut derived = vec![0; digest.len()];
                scrypt::scrypt(password.as_bytes(), salt, params, &mut derived).is_ok()
                    && Output::new(&derived).is_ok_and(|derived| derived == *digest)
            }
        }
    }
}

/// Parses what follows `pbkdf2_sha256$` in Django: `<rounds>$<salt>$<base64 of 32 bytes>`.
fn django_pbkdf2(rest: &str) -> Result<Imported<'_>, &'static str> {
    let [rounds, salt, digest] = parts(rest)?;
    let rounds: u32 = number(rounds)?;
    let digest = output(digest).filter(|digest| digest.len() == 32).ok_or(MALFORMED)?;
    match rounds {
        0 => Err(MALFORMED),
        1..=MOST_ROUNDS => Ok(Imported::Pbkdf2 { rounds, salt, digest }),
        _ => Err(TOO_EXPENSIVE),
    }
}

/// Checks a hash of bcrypt: `$2b$<cost>$<22 characters of salt><31 characters of digest>`.
fn bcrypt_hash(hash: &str) -> Result<&str, &'static str> {
    let parts = bcrypt::HashParts::from_str(hash).map_err(|_| MALFORMED)?;
    let digest = hash.get(hash.len() - 31..).unwrap_or_default();
    let length = |text: &str| bcrypt::BASE_64.decode(text).map(|bytes| bytes.len());
    if hash.starts_with("$2x$") || length(&parts.get_salt()) != Ok(16) || length(digest) != Ok(23) {
        return Err(MALFORMED);
    }
    match parts.get_cost() {
        ..4 => Err(MALFORMED),
        4..=MOST_BCRYPT_COST => Ok(hash),
        _ => Err(TOO_EXPENSIVE),
    }
}

/// Parses what follows `scrypt$` in Django: `<N>$<salt>$<r>$<p>$<base64 of 64 bytes>`.
fn django_scrypt(rest: &str) -> Result<Imported<'_>, &'static str> {
    let [n, salt, r, p, digest] = parts(rest)?;
    let n: u64 = number(n)?;
    let digest = output(digest).ok_or(MALFORMED)?;
    if !n.is_power_of_two() {
        return Err(MALFORMED);
    }
    bounded_scrypt(n.trailing_zeros(), number(r)?, number(p)?, salt.as_bytes().to_vec(), digest)
}

/// Parses a hash of scrypt in the PHC format: `$scrypt$ln=<log₂ N>,r=<r>,p=<p>$<salt>$<digest>`.
fn phc_scrypt(stored: &str) -> Result<Imported<'static>, &'static str> {
    let parsed = PasswordHash::new(stored).map_err(|_| MALFORMED)?;
    let parameter = |name| parsed.params.get_decimal(name).ok_or(MALFORMED);
    let mut salt = [0; Salt::MAX_LENGTH];
    let salt = parsed.salt.and_then(|text| text.decode_b64(&mut salt).ok()).ok_or(MALFORMED)?;
    let digest = parsed.hash.filter(|digest| digest.len() >= SHORTEST_DIGEST).ok_or(MALFORMED)?;
    bounded_scrypt(parameter("ln")?, parameter("r")?, parameter("p")?, salt.to_vec(), digest)
}

fn bounded_scrypt(
    log_n: u32,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    digest: Output,
) -> Result<Imported<'static>, &'static str> {
    let n = 1_u64.checked_shl(log_n).ok_or(TOO_EXPENSIVE)?;
    let block = 128 * u64::from(r);
    let bytes = n.saturating_add(p.into()).saturating_mul(block);
    let mixed_bytes = n.saturating_mul(p.into()).saturating_mul(block);
    if bytes > MOST_SCRYPT_BYTES || mixed_bytes > MOST_SCRYPT_MIXED_BYTES {
        return Err(TOO_EXPENSIVE);
    }
    let log_n = u8::try_from(log_n).map_err(|_| TOO_EXPENSIVE)?;
    let params = scrypt::Params::new(log_n, r, p, digest.len()).map_err(|_| MALFORMED)?;
    Ok(Imported::Scrypt { params, salt, digest })
}

/// Splits a hash into exactly `N` parts.
fn parts<const N: usize>(text: &str) -> Result<[&str; N], &'static str> {
    text.split('$').collect::<Vec<_>>().try_into().map_err(|_| MALFORMED)
}

/// Decodes a digest in Base64.
fn output(text: &str) -> Option<Output> {
    Output::new(&STANDARD.decode(text).ok()?).ok()
}

fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "lètmein"; made by Python's bcrypt, Django, passlib and hashlib.
    const MADE_ELSEWHERE: [&str; 9] = [
        "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=",
        "$2a$05$aNz7VjOtqEUs44QmDuycROn6zYtIrQoSA5ehfXOAi7UkBGHkNohaq",
        "$2b$05$aeS.4uS5rG.DPjf3ZFPCW.KAbd/06SX.9xArdIF3X9PDCjHqwHCN.",
        "$2y$05$UsJmfBNIi0LjZheSpcyWRutVmDXs.UCKOXjLdi8K9his4vec5FA9m",
        "bcrypt$$2b$05$9hSEZL2Xlo.jbY.nThp8x.rG697NYLRCOxZrX1FLX0bFwyc1aG1pu",
        "bcrypt_sha256$$2b$05$.4ZaCbfCLXw61nKSmUTX2eKX4jzxQN.sUWXZLX8rkPZMv/4KXATBq",
        "scrypt$1024$seasalt$8$5$ozpUt/qDR/QLBzi9csaWJofO252yHC+Oxl5cycNUQkna/BBjumDq5KMXPAq1Xi3sxxGWxqtAlQmEE+DSWNl+FQ==",
        "$scrypt$ln=10,r=8,p=1$QiglZKzVuve+F0II4bwXog$OU5V60w2Wacx7Y568/Upkqne4YvsCRCSIx6md+p/RYk",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$KRBVfrDE61oCSAjAVQbfRiuIUH+HU+hQkC7RPvIJk7I",
    ];

    /// Checks a password against a hash that can be imported.
    fn matches(stored: &str, password: &str) -> bool {
        let imported = Imported::parse(stored).expect("a known form");
        imported.unwrap_or_else(|reason| panic!("{stored}: {reason}")).matches(password)
    }

    fn refusal(stored: &str) -> Option<&'static str> {
        Imported::parse(stored).and_then(Result::err)
    }

    #[test]
    fn a_hash_made_elsewhere_matches_its_password_alone() {
        for stored in MADE_ELSEWHERE {
            assert!(matches(stored, "lètmein"), "{stored}");
            for wrong in ["letmein", "lètmein ", "", stored] {
                assert!(!matches(stored, wrong), "{stored}: {wrong}");
            }
        }
    }

    #[test]
    fn a_hash_that_lost_or_gained_a_character_or_a_part_is_damaged() {
        for stored in MADE_ELSEWHERE {
            // In the PHC format, digests have different lengths.
            if !stored.starts_with("$scrypt$") {
                assert_eq!(refusal(&stored[..stored.len() - 2]), Some(MALFORMED), "{stored}");
                assert_eq!(refusal(&format!("{stored}A")), Some(MALFORMED), "{stored}");
            }
            assert_eq!(refusal(&format!("{stored}$")), Some(MALFORMED), "{stored}");
            let without_digest = stored.rsplit_once('$').map(|(start, _)| format!("{start}$"));
            assert_eq!(without_digest.as_deref().and_then(refusal), Some(MALFORMED), "{stored}");
        }
        for foreign in ["", "plain", "$1$abc$def", "$2x$05$aNz7", "md5$a$b", "scrypt:32768:8:1$a$b", "$argon2id$v=19$"]
        {
            assert!(Imported::parse(foreign).is_none(), "{foreign}");
        }
    }

    #[test]
    fn of_a_long_password_bcrypt_reads_72_bytes_and_bcrypt_of_sha256_all() {
        let long = format!("lètmein{}", "x".repeat(90));
        let bcrypt = "$2b$05$gBm7/Mbqgks2cGUk5XAt5./3SfbywvmPMpRenx5txhBUeSKMAuSkK";
        assert!(matches(bcrypt, &long) && matches(bcrypt, &format!("{long}y")));
        let whole = "bcrypt_sha256$$2b$05$pQr0j64qR5prDKad6Whzbuf4nDE5DFjU1MEl6gDKl12KwPUKQkgmK";
        assert!(matches(whole, &long) && !matches(whole, &format!("{long}y")));
    }

    #[test]
    fn the_cost_of_a_hash_is_bounded() {
        let pbkdf2 = |rounds: &str| format!("pbkdf2_sha256${rounds}$s${}=", "A".repeat(43));
        let bcrypt = |cost: &str| format!("$2b${cost}$aeS.4uS5rG.DPjf3ZFPCW.KAbd/06SX.9xArdIF3X9PDCjHqwHCN.");
        let django = |n: &str, r: &str, p: &str| format!("scrypt${n}$s${r}${p}${}==", "A".repeat(86));
        let phc = |parameters: &str| format!("$scrypt${parameters}$c2FsdHNhbHQ${}", "A".repeat(43));
        let most =
            [pbkdf2("5000000"), bcrypt("15"), django("131072", "8", "8"), phc("ln=17,r=8,p=1"), phc("ln=14,r=64,p=8")];
        for stored in most {
            assert_eq!(refusal(&stored), None, "{stored}");
        }
        let too_expensive = [
            pbkdf2("5000001"),
            pbkdf2("4294967295"),
            bcrypt("16"),
            bcrypt("31"),
            bcrypt("99"),
            django("262144", "8", "1"),
            django("131072", "8", "9"),
            django("2", "4294967295", "1"),
            django("2", "1", "4294967295"),
            django("9223372036854775808", "4294967295", "4294967295"),
            phc("ln=18,r=8,p=1"),
            phc("ln=64,r=8,p=1"),
            phc("ln=10,r=8,p=4294967295"),
            phc("ln=4294967295,r=1,p=1"),
        ];
        for stored in too_expensive {
            assert_eq!(refusal(&stored), Some(TOO_EXPENSIVE), "{stored}");
        }
        let malformed = [
            pbkdf2("0"),
            pbkdf2("-1"),
            pbkdf2("4294967296"),
            bcrypt("03"),
            bcrypt("-1"),
            django("1000", "8", "1"),
            django("0", "8", "1"),
            django("1024", "0", "1"),
            phc("ln=10,r=8"),
            phc("ln=16,r=1,p=1"),
            phc("ln=10,r=8,p=0"),
            "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAA".into(),
        ];
        for stored in malformed {
            assert_eq!(refusal(&stored), Some(MALFORMED), "{stored}");
        }
    }
}
