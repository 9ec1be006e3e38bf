//! Bearer authentication (RFC 6750): turns the `Authorization` header into a [`Principal`].

use actix_web::dev::ServiceRequest;
use actix_web::http::header::AUTHORIZATION;

use super::problem::Problem;
use crate::tokens::{AccessTokens, Principal};

/// Reads and verifies the request's access token.
///
/// # Errors
/// [`Problem::TokenMissing`], [`Problem::TokenExpired`] or [`Problem::TokenInvalid`]: 401.
pub(super) fn authenticate(request: &ServiceRequest, tokens: &AccessTokens) -> Result<Principal, Problem> {
    let mut sent = request.headers().get_all(AUTHORIZATION);
    let first = sent.next().ok_or(Problem::TokenMissing)?;
    // With two headers, it is ambiguous which token is meant.
    if sent.next().is_some() {
        return Err(Problem::TokenInvalid);
    }
    let text = first.to_str().map_err(|_| Problem::TokenInvalid)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    // Scheme names are case-insensitive (RFC 9110 §11.1). Another scheme carries no bearer token.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::TokenMissing);
    }
    Ok(tokens.verify(token.trim())?)
}
