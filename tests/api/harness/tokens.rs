//! Tokens that the service would never issue, signed with its key or with another.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The signing secret of every instance under test.
pub(crate) const SECRET: &str = "the signing secret of the API tests, long enough";

/// A token in the making.
pub(crate) struct Forgery {
    /// The JOSE header.
    pub(crate) header: Header,
    /// The claims, whatever they are.
    pub(crate) claims: Value,
    /// The key.
    pub(crate) secret: String,
}

impl Forgery {
    /// A token as good as the service's own, but for the claims.
    pub(crate) fn of(claims: Value) -> Self {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".into());
        Self { header, claims, secret: SECRET.into() }
    }

    /// Good in every way.
    pub(crate) fn good(id: i64) -> Self {
        Self::of(claims(id))
    }

    /// With a claim changed.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// With a claim left out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("claims are an object").remove(name);
        self
    }

    /// With the header changed.
    pub(crate) fn header(mut self, change: impl FnOnce(&mut Header)) -> Self {
        change(&mut self.header);
        self
    }

    /// With another key.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secret = secret.into();
        self
    }

    /// The token.
    pub(crate) fn sign(&self) -> String {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        jsonwebtoken::encode(&self.header, &self.claims, &key).expect("a forged token")
    }
}

/// The claims that a token minted elsewhere needs.
pub(crate) fn claims(id: i64) -> Value {
    json!({"sub": id.to_string(), "exp": now() + 600})
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
