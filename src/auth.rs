//! Bearer authentication (RFC 6750): the middleware that turns an access token into a [`Principal`].

use std::future::{Ready, ready};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{Error, HttpMessage, web};
use actix_web_httpauth::middleware::HttpAuthentication;

use crate::customers::CustomerId;
use crate::problem::Problem;
use crate::sessions::SessionId;
use crate::sessions::token::AccessTokens;

/// Who a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token's subject.
    pub customer: CustomerId,
    /// The token's session, if it has one.
    pub session: Option<SessionId>,
}

type Verdict = Ready<Result<ServiceRequest, (Error, ServiceRequest)>>;

/// The middleware. It extracts nothing itself: the crate's extractor knows the scheme in one case only (see
/// `principal`), and its own answer to a missing token has no body.
pub fn bearer() -> HttpAuthentication<(), impl Fn(ServiceRequest, ()) -> Verdict + Clone> {
    HttpAuthentication::with_fn(|request: ServiceRequest, ()| {
        ready(match principal(&request) {
            Ok(principal) => {
                request.extensions_mut().insert(principal);
                Ok(request)
            }
            Err(problem) => Err((problem.into(), request)),
        })
    })
}

fn principal(request: &ServiceRequest) -> Result<Principal, Problem> {
    let mut sent = request.headers().get_all(AUTHORIZATION);
    let first = sent.next().ok_or(Problem::TokenMissing)?;
    // Two headers would leave it open which one is meant.
    if sent.next().is_some() {
        return Err(Problem::TokenInvalid);
    }
    let text = first.to_str().map_err(|_| Problem::TokenInvalid)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    // Another scheme is no bearer token. The name of this one has no case (RFC 9110 §11.1).
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::TokenMissing);
    }
    let tokens = request
        .app_data::<web::Data<AccessTokens>>()
        .ok_or_else(|| Problem::Internal("no token verifier is configured".into()))?;
    tokens.verify(token.trim())
}
