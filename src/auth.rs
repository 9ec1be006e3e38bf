//! Bearer authentication (RFC 6750): the middleware that turns an access token into a [`Principal`].

use std::pin::Pin;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{Error, HttpMessage, web};
use actix_web_httpauth::extractors::bearer::BearerAuth;
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

type Verdict = Pin<Box<dyn Future<Output = Result<ServiceRequest, (Error, ServiceRequest)>>>>;

/// The middleware. `with_fn` and an optional token, because the crate's own answer to a missing one has no body.
pub fn bearer() -> HttpAuthentication<Option<BearerAuth>, impl Fn(ServiceRequest, Option<BearerAuth>) -> Verdict + Clone>
{
    HttpAuthentication::with_fn(|request: ServiceRequest, token: Option<BearerAuth>| -> Verdict {
        Box::pin(async move {
            match principal(&request, token.as_ref()) {
                Ok(principal) => {
                    request.extensions_mut().insert(principal);
                    Ok(request)
                }
                Err(problem) => Err((problem.into(), request)),
            }
        })
    })
}

fn principal(request: &ServiceRequest, token: Option<&BearerAuth>) -> Result<Principal, Problem> {
    let mut sent = request.headers().get_all(AUTHORIZATION);
    let (first, second) = (sent.next(), sent.next());
    let Some(first) = first else {
        return Err(Problem::TokenMissing);
    };
    // Two headers would leave it open which one is meant.
    if second.is_some() {
        return Err(Problem::TokenInvalid);
    }
    let Some(token) = token else {
        // Another scheme is no bearer token; a broken bearer token is an invalid one.
        let scheme = first.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
        return Err(if scheme { Problem::TokenInvalid } else { Problem::TokenMissing });
    };
    let tokens = request
        .app_data::<web::Data<AccessTokens>>()
        .ok_or_else(|| Problem::Internal("no token verifier is configured".into()))?;
    tokens.verify(token.token())
}
