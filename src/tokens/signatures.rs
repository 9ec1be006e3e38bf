//! The signature algorithms of access tokens, for `jsonwebtoken`: only HMAC with SHA-256 and Ed25519.
//!
//! The library's own provider has twelve algorithms. For RSA it uses a crate that leaks keys through timing
//! (RUSTSEC-2023-0071). A token cannot select an algorithm that is not implemented here.

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signature, SignatureError, Signer, SigningKey, Verifier, VerifyingKey};
use hmac::{Hmac, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use sha2::Sha256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Only needed for the library's own JWK types, which are not used.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Installs these algorithms in `jsonwebtoken`. Must be called before the first token is signed or verified; further
/// calls have no effect.
pub(super) fn install() {
    if PROVIDER.install_default().is_err() {
        log::trace!("the signatures are installed already");
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.as_bytes())?)),
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            let key = SigningKey::from_pkcs8_der(key.as_bytes()).map_err(|_| ErrorKind::InvalidEddsaKey)?;
            Ok(Box::new(Ed25519Signer(key)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            let bytes = key.try_get_as_bytes()?.try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
            let key = VerifyingKey::from_bytes(bytes).map_err(|_| ErrorKind::InvalidEddsaKey)?;
            Ok(Box::new(Ed25519Verifier(key)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(secret: &[u8]) -> Result<Self> {
        Ok(Self(Hmac::new_from_slice(secret).map_err(|_| ErrorKind::InvalidKeyFormat)?))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// Compares in constant time.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), SignatureError> {
        self.0.clone().chain_update(message).verify_slice(signature).map_err(SignatureError::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct Ed25519Signer(SigningKey);

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        self.0.try_sign(message).map(|signature| signature.to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

impl Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), SignatureError> {
        self.0.verify(message, &Signature::from_slice(signature)?)
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::pkcs8::EncodePrivateKey;

    use super::*;

    fn ed25519(seed: u8) -> (EncodingKey, DecodingKey) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let der = key.to_pkcs8_der().expect("a key");
        (EncodingKey::from_ed_der(der.as_bytes()), DecodingKey::from_ed_der(key.verifying_key().as_bytes()))
    }

    fn hmac(secret: &[u8]) -> (EncodingKey, DecodingKey) {
        (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret))
    }

    #[test]
    fn only_the_same_key_verifies_only_the_same_message() {
        for (algorithm, ours, theirs) in
            [(Algorithm::HS256, hmac(b"ours"), hmac(b"theirs")), (Algorithm::EdDSA, ed25519(1), ed25519(2))]
        {
            let signature = signer(&algorithm, &ours.0).expect("a signer").sign(b"message");
            let verifies = |key, message: &[u8], signature: &[u8]| {
                verifier(&algorithm, key).expect("a verifier").verify(message, &signature.to_vec()).is_ok()
            };
            assert!(verifies(&ours.1, b"message", &signature));
            assert!(!verifies(&theirs.1, b"message", &signature));
            assert!(!verifies(&ours.1, b"massage", &signature));
            for altered in [&signature[1..], &[], &[signature.as_slice(), b"x"].concat()] {
                assert!(!verifies(&ours.1, b"message", altered), "{algorithm:?} {}", altered.len());
            }
        }
    }

    #[test]
    fn the_signatures_of_the_rfcs_are_ours() {
        // RFC 7515 appendix A.1.1 and RFC 8037 appendix A.4.
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let secret = decoded("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        let message = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = signer(&Algorithm::HS256, &EncodingKey::from_secret(&secret)).expect("a signer").sign(message);
        assert_eq!(signature, decoded("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        let seed: [u8; 32] = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").try_into().expect("32 bytes");
        let der = SigningKey::from_bytes(&seed).to_pkcs8_der().expect("a key");
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature =
            signer(&Algorithm::EdDSA, &EncodingKey::from_ed_der(der.as_bytes())).expect("a signer").sign(message);
        assert_eq!(
            signature,
            decoded("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
        );
    }

    #[test]
    fn nothing_that_does_rsa_or_other_curves_is_compiled() {
        let locked = include_str!("../../Cargo.lock");
        for name in ["rsa", "p256", "p384"] {
            assert!(!locked.contains(&format!("name = \"{name}\"\n")), "{name}");
        }
    }

    #[test]
    fn no_other_algorithm_and_no_key_of_another_kind_is_taken() {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
        let (secret, pair) = (hmac(b"secret"), ed25519(1));
        for algorithm in [HS384, HS512, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512] {
            assert!(signer(&algorithm, &secret.0).is_err() && signer(&algorithm, &pair.0).is_err(), "{algorithm:?}");
            assert!(
                verifier(&algorithm, &secret.1).is_err() && verifier(&algorithm, &pair.1).is_err(),
                "{algorithm:?}"
            );
        }
        assert!(verifier(&HS256, &pair.1).is_err() && verifier(&EdDSA, &secret.1).is_err());
        assert!(signer(&HS256, &pair.0).is_err() && signer(&EdDSA, &secret.0).is_err());
    }
}
