//! The keys that sign and verify access tokens, and their public half as a JWK Set (RFC 7517).

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey};
use ed25519_dalek::{SigningKey, VerifyingKey};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::signatures;
use crate::private_file;
use crate::settings::{self, Algorithm, Secret};

/// The key that signs tokens, and all keys that verify them.
pub struct Keys {
    pub(super) algorithm: jsonwebtoken::Algorithm,
    pub(super) signing: EncodingKey,
    /// The `kid` of issued tokens; HS256 has none.
    pub(super) kid: Option<String>,
    /// Verifies tokens without a `kid`.
    pub(super) own: DecodingKey,
    /// Verifies tokens with a `kid`.
    pub(super) by_kid: HashMap<String, DecodingKey>,
    /// The public keys to publish.
    pub(super) jwks: Value,
}

impl Keys {
    /// Loads the keys that the settings name.
    ///
    /// # Errors
    /// One line that names the file that cannot be read or is not an Ed25519 key in PEM.
    pub fn load(auth: &settings::Auth, secret: &[u8]) -> Result<Self, String> {
        signatures::install();
        match auth.algorithm {
            Algorithm::HS256 => Ok(Self {
                algorithm: jsonwebtoken::Algorithm::HS256,
                signing: EncodingKey::from_secret(secret),
                kid: None,
                own: DecodingKey::from_secret(secret),
                by_kid: HashMap::new(),
                jwks: json!({ "keys": [] }),
            }),
            Algorithm::EdDSA => Self::load_ed25519(auth),
        }
    }

    fn load_ed25519(auth: &settings::Auth) -> Result<Self, String> {
        let path = auth.key_file.display();
        let pem = read(&auth.key_file)?;
        let signing = SigningKey::from_pkcs8_pem(pem.expose())
            .map_err(|_| format!("auth.key_file {path}: not an Ed25519 private key in PKCS#8 PEM"))?;
        let der = signing.to_pkcs8_der().map_err(|error| format!("{path}: {error}"))?;
        let own = signing.verifying_key();
        let mut by_kid = HashMap::new();
        let mut published = Vec::new();
        let others = auth.verification_key_files.iter().map(|path| public_key(path));
        for key in std::iter::once(Ok(own)).chain(others) {
            let key = key?;
            let kid = thumbprint(&key);
            published.push(jwk(&key, &kid));
            by_kid.insert(kid, decoding(&key)?);
        }
        Ok(Self {
            algorithm: jsonwebtoken::Algorithm::EdDSA,
            signing: EncodingKey::from_ed_der(der.as_bytes()),
            kid: Some(thumbprint(&own)),
            own: decoding(&own)?,
            by_kid,
            jwks: json!({ "keys": published }),
        })
    }
}

fn read(path: &Path) -> Result<Secret, String> {
    std::fs::read_to_string(path).map(Secret::from).map_err(|error| format!("{}: {error}", path.display()))
}

fn public_key(path: &Path) -> Result<VerifyingKey, String> {
    let pem = read(path)?;
    let private = SigningKey::from_pkcs8_pem(pem.expose()).map(|key| key.verifying_key());
    private
        .or_else(|_| VerifyingKey::from_public_key_pem(pem.expose()))
        .map_err(|_| format!("auth.verification_key_files {}: not an Ed25519 key in PEM", path.display()))
}

fn x(key: &VerifyingKey) -> String {
    URL_SAFE_NO_PAD.encode(key.as_bytes())
}

fn decoding(key: &VerifyingKey) -> Result<DecodingKey, String> {
    DecodingKey::from_ed_components(&x(key)).map_err(|error| error.to_string())
}

/// Returns the JWK thumbprint (RFC 7638): the hash of the required members in alphabetical order.
fn thumbprint(key: &VerifyingKey) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, x(key));
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

fn jwk(key: &VerifyingKey, kid: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x(key), "use": "sig", "alg": "EdDSA", "kid": kid })
}

/// Generates a private key, writes it to a new file with mode 0600 and returns its `kid`.
///
/// # Errors
/// The file exists already, or cannot be written.
pub fn generate_key(path: &Path) -> Result<String, String> {
    let key = SigningKey::from_bytes(&rand::random());
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| error.to_string())?;
    private_file::make(path, pem.as_bytes()).map_err(|error| error.to_string())?;
    Ok(thumbprint(&key.verifying_key()))
}
