//! All ownership rules. A query on a customer's data demands an [`OwnedCustomer`] or an [`Operator`], and only this
//! module makes them.
//!
//! Ownership is decided from the token alone: before the body is read, without the database, and with the same answer
//! whether or not the other customer exists.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{CONTENT_LOCATION, HeaderName};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use actix_web_httpauth::middleware::HttpAuthentication;

use super::auth::authenticate;
use super::problem::Problem;
use crate::ids::{CustomerId, SessionId};
use crate::tokens::{AccessTokens, Principal};

/// Proof that the principal of this request owns the customer that the path names.
#[derive(Clone, Debug)]
pub struct OwnedCustomer {
    id: CustomerId,
    session: Option<SessionId>,
    is_me: bool,
    is_operators: bool,
}

impl OwnedCustomer {
    /// Any customer, for the operator.
    pub(crate) fn of_operator(_: Operator, id: CustomerId) -> Self {
        Self { id, session: None, is_me: false, is_operators: true }
    }

    /// Whether the operator asks, who may act on disabled accounts too.
    pub(crate) fn is_operators(&self) -> bool {
        self.is_operators
    }

    /// Returns the customer's id.
    pub fn id(&self) -> CustomerId {
        self.id
    }

    /// Returns the session that the statement must find alive; `None` for a token that was minted elsewhere.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Returns `Content-Location` for a reply that shows the customer, where the path says `me` (RFC 9110 §8.7).
    pub fn content_location(&self) -> Option<(HeaderName, String)> {
        self.is_me.then(|| (CONTENT_LOCATION, format!("/api/v1/customers/{}/", self.id)))
    }
}

/// Proof that the operator asks, who may read and change every customer.
#[derive(Clone, Copy, Debug)]
pub struct Operator(());

impl Operator {
    /// Whoever can run a command with the service's settings is the operator.
    pub fn of_command_line() -> Self {
        Self(())
    }
}

type Outcome = Ready<Result<ServiceRequest, (Error, ServiceRequest)>>;

/// Makes the middleware of an owner's route: 401 without a valid token, 403 or 404 for what is not the principal's own.
///
/// It lets the crate extract nothing: that extractor knows the scheme's name in one case only, and its own reply to a
/// missing token has no body.
pub(crate) fn owner(
    tokens: Arc<AccessTokens>,
) -> HttpAuthentication<(), impl Fn(ServiceRequest, ()) -> Outcome + Clone> {
    HttpAuthentication::with_fn(move |request: ServiceRequest, ()| {
        ready(match admit(&request, &tokens) {
            Ok(()) => Ok(request),
            Err(problem) => Err((problem.into(), request)),
        })
    })
}

fn admit(request: &ServiceRequest, tokens: &AccessTokens) -> Result<(), Problem> {
    let principal = authenticate(request, tokens)?;
    request.extensions_mut().insert(principal);
    let customer = decide(&principal, request.match_info().query("id"))?;
    request.extensions_mut().insert(customer);
    Ok(())
}

/// 404 for text that is not an id, 403 for another customer's id; `me` is the principal's own.
fn decide(principal: &Principal, id: &str) -> Result<OwnedCustomer, Problem> {
    let own =
        OwnedCustomer { id: principal.customer, session: principal.session, is_me: id == "me", is_operators: false };
    if own.is_me {
        return Ok(own);
    }
    match CustomerId::parse(id) {
        None => Err(Problem::NotFound),
        Some(id) if id == own.id => Ok(own),
        Some(_) => Err(Problem::NotOwner),
    }
}

impl FromRequest for OwnedCustomer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Fails closed on a route that lacks the middleware.
        ready(request.extensions().get::<Self>().cloned().ok_or(Problem::TokenMissing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ones_own_id_and_me_pass() {
        let customer = CustomerId::new(7).expect("an id");
        let principal = Principal { customer, session: None };
        assert!(decide(&principal, "7").is_ok() && decide(&principal, "me").is_ok());
        assert!(matches!(decide(&principal, "8"), Err(Problem::NotOwner)));
        for id in ["", "0", "07", "7a", "ME", "9007199254740992"] {
            assert!(matches!(decide(&principal, id), Err(Problem::NotFound)), "{id}");
        }
    }
}
