//! Refresh tokens: `<session>.<counter>.<HMAC>`, derived from the session and never stored.
//!
//! Whoever holds the key can derive the token of any counter again, so a reply that was lost is simply given
//! again, and a copy of the database signs nobody in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::ids::SessionId;

/// Keeps this use of the secret apart from the signing of access tokens.
const PURPOSE: &[u8] = b"clientele refresh token v1";

/// Derives and checks refresh tokens.
pub struct RefreshTokens {
    key: Hmac<Sha256>,
}

/// What an authentic refresh token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshClaims {
    /// The session.
    pub session: SessionId,
    /// How often it had been refreshed when the token was given out.
    pub counter: i64,
}

impl RefreshTokens {
    /// Derives the key from the secret.
    ///
    /// # Errors
    /// Never for HMAC, which takes keys of any length.
    pub fn new(secret: &[u8]) -> Result<Self, hmac::digest::InvalidLength> {
        let derived = Hmac::<Sha256>::new_from_slice(secret)?.chain_update(PURPOSE).finalize().into_bytes();
        Ok(Self { key: Hmac::new_from_slice(&derived)? })
    }

    /// The token of a session at a counter.
    pub fn derive(&self, presented: RefreshClaims) -> String {
        let body = format!("{}.{}", presented.session, presented.counter);
        let tag = self.key.clone().chain_update(&body).finalize().into_bytes();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What the token names, if it is one of ours; compared in constant time.
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
        let presented = RefreshClaims { session: SessionId::generate(), counter: 7 };
        let token = ours.derive(presented);
        assert_eq!(ours.read(&token), Some(presented));
        assert_eq!(token, ours.derive(presented));
        assert_eq!(theirs.read(&token), None);
        for altered in [token.replacen(".7.", ".8.", 1), format!("{token}A"), token.replace('.', ""), String::new()] {
            assert_eq!(ours.read(&altered), None, "{altered}");
        }
    }
}
