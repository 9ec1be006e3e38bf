//! Tokens of the links in mails: `<id>.<secret>`. The secret is derived from the id with a key, so a mail that is sent
//! again holds the same link, and neither the outbox nor a copy of the database holds a secret.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::ids::EntryId;

/// Separates this use of the secret from the signing of access and refresh tokens.
const PURPOSE: &[u8] = b"clientele link v1";

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Verifies the customer's email.
    Verify,
    /// Sets a new password.
    Reset,
    /// Sets a new password. Made by support, who gives it to the customer in another way than by mail.
    SupportReset,
    /// Switches to the email that the link was mailed to.
    EmailChange,
    /// Returns to the email that the link was mailed to.
    Revert,
}

impl LinkKind {
    /// Returns the kind's name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::SupportReset => "support_reset",
            Self::EmailChange => "email_change",
            Self::Revert => "revert",
        }
    }

    /// Returns how long a link can be used.
    pub fn lifetime(self) -> Duration {
        const HOUR: u64 = 3600;
        Duration::from_secs(match self {
            Self::Verify | Self::EmailChange => 24 * HOUR,
            Self::Reset | Self::SupportReset => HOUR,
            Self::Revert => 7 * 24 * HOUR,
        })
    }
}

/// Derives the tokens of links.
#[derive(Clone)]
pub struct LinkTokens {
    key: Hmac<Sha256>,
}

/// The parts of a link's token. Whether it is a valid one, only the database can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkToken {
    /// The link's id.
    pub id: EntryId,
    /// The hash of the secret, as stored.
    pub hash: String,
}

impl LinkTokens {
    /// Derives the key from the secret.
    ///
    /// # Errors
    /// None in practice: HMAC accepts keys of any length.
    pub fn new(secret: &[u8]) -> Result<Self, hmac::digest::InvalidLength> {
        let derived = Hmac::<Sha256>::new_from_slice(secret)?.chain_update(PURPOSE).finalize().into_bytes();
        Ok(Self { key: Hmac::new_from_slice(&derived)? })
    }

    /// Returns the token of a link.
    pub fn derive(&self, id: EntryId) -> String {
        format!("{}.{}", id.get(), self.secret(id))
    }

    /// Returns the hash to store for a link.
    pub fn hash(&self, id: EntryId) -> String {
        hash(&self.secret(id))
    }

    fn secret(&self, id: EntryId) -> String {
        URL_SAFE_NO_PAD.encode(self.key.clone().chain_update(id.get().to_be_bytes()).finalize().into_bytes())
    }
}

impl LinkToken {
    /// Splits a token. Returns `None` if it cannot be one.
    pub fn parse(token: &str) -> Option<Self> {
        let (id, secret) = token.split_once('.')?;
        Some(Self { id: EntryId::parse(id)?, hash: hash(secret) })
    }
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_stored_hash_and_an_altered_or_foreign_one_has_another() {
        let tokens = |secret: u8| LinkTokens::new(&[secret; 32]).expect("HMAC takes keys of any length");
        let (ours, theirs) = (tokens(1), tokens(2));
        let id = EntryId::generate();
        let stored = LinkToken { id, hash: ours.hash(id) };
        let token = ours.derive(id);
        assert_eq!(LinkToken::parse(&token), Some(stored.clone()));
        assert_ne!(LinkToken::parse(&theirs.derive(id)), Some(stored.clone()));
        assert_ne!(LinkToken::parse(&format!("{token}A")), Some(stored));
        for malformed in ["", ".", "1", "x.y", "-1.y", "01.y"] {
            assert_eq!(LinkToken::parse(malformed), None, "{malformed}");
        }
    }
}
