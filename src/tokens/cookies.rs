//! The values of the account pages' cookie: `<customer>.<session>.<time>.<HMAC>`. They are authentic or not without the
//! database; whether the session is alive, only the database can tell.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::ids::{CustomerId, SessionId};

/// Separates this use of the secret from the signing of tokens.
const PURPOSE: &[u8] = b"clientele cookie v1";

/// Signs and reads cookies.
pub struct SessionCookies {
    key: Hmac<Sha256>,
}

/// The contents of an authentic cookie. Only [`SessionCookies::read`] and a sign-in make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCookie {
    /// The customer who signed in.
    pub customer: CustomerId,
    /// The session that began then.
    pub session: SessionId,
    /// When the session was last marked as used, in seconds since 1970.
    pub used_at: i64,
}

impl SessionCookie {
    /// Returns the cookie of a session that is used now.
    pub fn used_now(customer: CustomerId, session: SessionId) -> Self {
        Self { customer, session, used_at: Utc::now().timestamp() }
    }

    /// Returns how long ago the session was marked as used, in seconds. Never negative.
    pub fn age(&self, now: DateTime<Utc>) -> i64 {
        now.timestamp().saturating_sub(self.used_at).max(0)
    }
}

impl SessionCookies {
    /// Derives the key from the secret.
    ///
    /// # Errors
    /// None in practice: HMAC accepts keys of any length.
    pub fn new(secret: &[u8]) -> Result<Self, hmac::digest::InvalidLength> {
        let derived = Hmac::<Sha256>::new_from_slice(secret)?.chain_update(PURPOSE).finalize().into_bytes();
        Ok(Self { key: Hmac::new_from_slice(&derived)? })
    }

    /// Returns the value of a cookie.
    pub fn sign(&self, cookie: &SessionCookie) -> String {
        let body = format!("{}.{}.{}", cookie.customer, cookie.session, cookie.used_at);
        let tag = self.key.clone().chain_update(&body).finalize().into_bytes();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Returns the contents of a value if it is authentic. Compares in constant time.
    pub fn read(&self, value: &str) -> Option<SessionCookie> {
        let (body, tag) = value.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.key.clone().chain_update(body).verify_slice(&tag).ok()?;
        let (customer, rest) = body.split_once('.')?;
        let (session, used_at) = rest.split_once('.')?;
        Some(SessionCookie {
            customer: CustomerId::parse(customer)?,
            session: SessionId::parse(session)?,
            used_at: used_at.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unaltered_cookies_of_the_same_secret_are_read() {
        let cookies = |secret: u8| SessionCookies::new(&[secret; 32]).expect("HMAC takes keys of any length");
        let (ours, theirs) = (cookies(1), cookies(2));
        let customer = CustomerId::new(7).expect("an id");
        let cookie = SessionCookie { used_at: 12, ..SessionCookie::used_now(customer, SessionId::generate()) };
        let value = ours.sign(&cookie);
        assert_eq!(ours.read(&value), Some(cookie));
        assert_eq!(theirs.read(&value), None);
        let altered = [
            value.replacen("7.", "8.", 1),
            value.replacen(".12.", ".13.", 1),
            format!("{value}A"),
            value.replace('.', ""),
            value.rsplit_once('.').map(|(body, _)| body.to_owned()).unwrap_or_default(),
            String::new(),
        ];
        for altered in altered {
            assert_eq!(ours.read(&altered), None, "{altered}");
        }
    }
}
