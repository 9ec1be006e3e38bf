//! Access tokens: JWT (RFC 7519) in the profile of RFC 9068, signed and verified with the one pinned algorithm.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::Keys;
use crate::ids::{CustomerId, SessionId};
use crate::settings;

/// The `typ` of the tokens issued here (RFC 9068 §2.1).
const ISSUED_TYPE: &str = "at+jwt";
/// The accepted values of `typ`, in any case and with or without `application/` (RFC 7515 §4.1.9). It may also be
/// absent.
const ACCEPTED_TYPES: [&str; 2] = [ISSUED_TYPE, "jwt"];
/// The longest token that is verified, in bytes.
const LONGEST: usize = 4096;

/// The authenticated client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token's subject.
    pub customer: CustomerId,
    /// The token's session, if it has one.
    pub session: Option<SessionId>,
}

/// Why a token is not accepted. Clients do not learn which check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidToken {
    /// The token was valid until its `exp`.
    Expired,
    /// The token is not acceptable for any other reason.
    Invalid,
}

/// Issues and verifies access tokens.
pub struct AccessTokens {
    header: Header,
    keys: Keys,
    validation: Validation,
    issuer: Option<String>,
    audience: Option<String>,
    lifetime: Duration,
}

#[derive(Serialize)]
struct Issued<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    sub: String,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
}

/// The claims that are read. The library checks the others.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: Option<String>,
}

impl AccessTokens {
    /// Pins the algorithm and the keys, and the issuer and the audience if configured.
    pub fn new(auth: &settings::Auth, keys: Keys) -> Self {
        let mut header = Header::new(keys.algorithm);
        header.typ = Some(ISSUED_TYPE.to_owned());
        header.kid.clone_from(&keys.kid);
        let configured = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let (issuer, audience) = (configured(&auth.issuer), configured(&auth.audience));
        Self {
            header,
            validation: validation(keys.algorithm, issuer.as_deref(), audience.as_deref()),
            keys,
            issuer,
            audience,
            lifetime: Duration::from_secs(auth.access_token_seconds),
        }
    }

    /// Returns the public keys as a JWK Set (RFC 7517); empty when tokens are signed with a secret.
    pub fn jwks(&self) -> &Value {
        &self.keys.jwks
    }

    /// Returns the default lifetime of issued tokens.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Issues a token for a customer. A token with a session ends when the session does.
    ///
    /// # Errors
    /// The library failed to sign, or the clock is before 1970.
    pub fn issue(&self, principal: Principal, lifetime: Duration) -> Result<String, TokenError> {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| TokenError(error.to_string()))?.as_secs();
        let claims = Issued {
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            sub: principal.customer.to_string(),
            iat: now,
            exp: now.saturating_add(lifetime.as_secs()),
            jti: format!("{:032x}", rand::random::<u128>()),
            sid: principal.session.map(|session| session.to_string()),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.keys.signing).map_err(|error| TokenError(error.to_string()))
    }

    /// Verifies a token and returns its principal.
    ///
    /// # Errors
    /// [`InvalidToken::Expired`] past its `exp`, [`InvalidToken::Invalid`] for anything else.
    pub fn verify(&self, token: &str) -> Result<Principal, InvalidToken> {
        if token.len() > LONGEST {
            return Err(InvalidToken::Invalid);
        }
        let data =
            jsonwebtoken::decode::<Claims>(token, self.key_for(token)?, &self.validation).map_err(
                |error| match error.kind() {
                    ErrorKind::ExpiredSignature => InvalidToken::Expired,
                    _ => InvalidToken::Invalid,
                },
            )?;
        // A critical extension that we do not understand (RFC 7515 §4.1.11), an unknown key, or another type of token.
        if data.header.crit.is_some()
            || !self.knows(data.header.kid.as_deref())
            || !accepts_type(data.header.typ.as_deref())
        {
            return Err(InvalidToken::Invalid);
        }
        let customer = CustomerId::parse(&data.claims.sub).ok_or(InvalidToken::Invalid)?;
        let session = match data.claims.sid {
            Some(sid) => Some(SessionId::parse(&sid).ok_or(InvalidToken::Invalid)?),
            None => None,
        };
        Ok(Principal { customer, session })
    }

    /// Returns the key that the token's header names. HS256 has only one key, so there is nothing to look up.
    fn key_for(&self, token: &str) -> Result<&DecodingKey, InvalidToken> {
        if self.keys.by_kid.is_empty() {
            return Ok(&self.keys.own);
        }
        match jsonwebtoken::decode_header(token).map_err(|_| InvalidToken::Invalid)?.kid {
            None => Ok(&self.keys.own),
            Some(kid) => self.keys.by_kid.get(&kid).ok_or(InvalidToken::Invalid),
        }
    }

    fn knows(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.keys.by_kid.contains_key(kid))
    }
}

fn validation(algorithm: Algorithm, issuer: Option<&str>, audience: Option<&str>) -> Validation {
    let mut validation = Validation::new(algorithm);
    let mut required = vec!["exp", "sub"];
    validation.leeway = 0;
    // A token is invalid "on or after" its `exp` (RFC 7519 §4.1.4). By default the library still accepts that second.
    validation.reject_tokens_expiring_in_less_than = 1;
    validation.validate_nbf = true;
    validation.validate_aud = audience.is_some();
    if let Some(issuer) = issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn accepts_type(given: Option<&str>) -> bool {
    given.is_none_or(|given| {
        let given = given.to_ascii_lowercase();
        ACCEPTED_TYPES.contains(&given.strip_prefix("application/").unwrap_or(&given))
    })
}

/// Why a token could not be issued.
#[derive(Debug)]
pub struct TokenError(String);

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token could not be signed: {}", self.0)
    }
}

impl std::error::Error for TokenError {}
