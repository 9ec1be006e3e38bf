//! Tokens that the service would never issue, signed with its key or with another.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

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
        let signed = signed_part(&self.header, &self.claims);
        let signature = match self.header.alg {
            Algorithm::HS384 => mac::<Hmac<Sha384>>(&self.secret, &signed),
            Algorithm::HS512 => mac::<Hmac<Sha512>>(&self.secret, &signed),
            _ => mac::<Hmac<Sha256>>(&self.secret, &signed),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Header and claims, as the signature covers them.
pub(crate) fn signed_part(header: &Header, claims: &Value) -> String {
    let header = serde_json::to_vec(header).expect("a header");
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The signature of a token that nobody forged.
pub(crate) fn hs256(secret: &str, signed: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac::<Hmac<Sha256>>(secret, signed))
}

fn mac<M: Mac + KeyInit>(secret: &str, text: &str) -> Vec<u8> {
    let mac = <M as Mac>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// The claims that a token minted elsewhere needs.
pub(crate) fn claims(id: i64) -> Value {
    json!({"sub": id.to_string(), "exp": now() + 600})
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
