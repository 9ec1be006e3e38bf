//! Refresh tokens: `<session>.<counter>.<HMAC>`. They are derived from the session and never stored.
//!
//! The service can derive the token of any counter again, so a lost reply can be repeated. Without the key, a copy of
//! the database signs nobody in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::ids::SessionId;

/// Separates this use of the secret from the signing of access tokens.
const PURPOSE: &[u8] = b"clientele refresh token v1";

/// Derives and checks refresh tokens.
pub struct RefreshTokens {
    key: Hmac<Sha256>,
}

/// The contents of an authentic refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshClaims {
    /// The session.
    pub session: SessionId,
    /// How often the session had been refreshed when the token was issued.
    pub counter: i64,
}

impl RefreshTokens {
    /// Derives the key from the secret.
    ///
    /// # Errors
    /// None in practice: HMAC accepts keys of any length.
    pub fn new(secret: &[u8]) -> Result<Self, hmac::digest::InvalidLength> {
        let derived = Hmac::<Sha256>::new_from_slice(secret)?.chain_update(PURPOSE).finalize().into_bytes();
        Ok(Self { key: Hmac::new_from_slice(&derived)? })
    }

    /// Derives the token of a session and a counter.
    pub fn derive(&self, claims: RefreshClaims) -> String {
        let body = format!("{}.{}", claims.session, claims.counter);
        let tag = self.key.clone().chain_update(&body).finalize().into_bytes();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Returns the token's contents if it is authentic. Compares in constant time.
    pub fn read(&self, token: &str) -> Option<RefreshClaims> {
        let (body, tag) = token.rsplit_once('.')?;
        let (session, counter) = body.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.key.clone().chain_update(body).verify_slice(&tag).ok()?;
        Some(RefreshClaims { session: SessionId::parse(session)?, counter: counter.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unaltered_tokens_of_the_same_secret_are_read() {
        let tokens = |secret: u8| RefreshTokens::new(&[secret; 32]).expect("HMAC takes keys of any length");
        let (ours, theirs) = (tokens(1), tokens(2));
        let claims = RefreshClaims { session: SessionId::generate(), counter: 7 };
        let token = ours.derive(claims);
        assert_eq!(ours.read(&token), Some(claims));
        assert_eq!(token, ours.derive(claims));
        assert_eq!(theirs.read(&token), None);
        for altered in [token.replacen(".7.", ".8.", 1), format!("{token}A"), token.replace('.', ""), String::new()] {
            assert_eq!(ours.read(&altered), None, "{altered}");
        }
    }
}
