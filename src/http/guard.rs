//! All ownership rules. A query on a customer's data requires an [`OwnedCustomer`] or an [`Operator`], and only this
//! module creates them.
//!
//! Ownership is decided from the token (or the cookie of the account pages) and the path alone: before the body is
//! read, without the database, and with the same result whether or not the other customer exists.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{CONTENT_LOCATION, HeaderName};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use actix_web_httpauth::middleware::HttpAuthentication;

use super::auth::authenticate;
use super::cookie;
use super::problem::Problem;
use crate::ids::{CustomerId, SessionId};
use crate::tokens::{AccessTokens, Principal, SessionCookie, SessionCookies};

/// Proof that the principal of this request owns the customer that the path names.
#[derive(Clone, Debug)]
pub struct OwnedCustomer {
    id: CustomerId,
    session: Option<SessionId>,
    is_me: bool,
    is_operators: bool,
}

impl OwnedCustomer {
    /// Lets the operator act for any customer.
    pub(crate) fn of_operator(_: Operator, id: CustomerId) -> Self {
        Self { id, session: None, is_me: false, is_operators: true }
    }

    /// Returns whether the operator acts for the customer, who may do so for disabled accounts too.
    pub(crate) fn is_operators(&self) -> bool {
        self.is_operators
    }

    /// Returns the customer's id.
    pub fn id(&self) -> CustomerId {
        self.id
    }

    /// Returns the session that must be alive, or `None` for a token without a session.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Returns the `Content-Location` of a reply with the customer if the path says `me` (RFC 9110 §8.7).
    pub fn content_location(&self) -> Option<(HeaderName, String)> {
        self.is_me.then(|| (CONTENT_LOCATION, format!("/api/v1/customers/{}/", self.id)))
    }
}

/// Proof that the caller is the operator, who may read and change every customer.
#[derive(Clone, Copy, Debug)]
pub struct Operator(());

impl Operator {
    /// Returns the proof for a command of the command line. Anybody who can run one with the service's settings is the
    /// operator.
    pub fn of_command_line() -> Self {
        Self(())
    }
}

type Outcome = Ready<Result<ServiceRequest, (Error, ServiceRequest)>>;

/// Returns the middleware of a route that only the customer may use: 401 without a valid token, 403 or 404 for another
/// id.
///
/// It does not use the crate's extractor, which matches the scheme's name case-sensitively and replies to a missing
/// token without a body.
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

/// Checks the id in the path: 404 if it is not an id, 403 if it is another customer's. `me` is the principal's own id.
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

/// Returns the customer whom the cookie of the account pages names, and the cookie. Only the pages call this: the API
/// takes no cookie, so that no other site can make a browser use it.
pub(crate) fn of_cookie(request: &HttpRequest, cookies: &SessionCookies) -> Option<(OwnedCustomer, SessionCookie)> {
    let found = of_cookie_value(cookie::value(request)?, cookies)?;
    request.extensions_mut().insert(Principal { customer: found.0.id, session: found.0.session });
    Some(found)
}

/// Returns the customer whom the value of a cookie names, which a browser has sent or is about to get.
pub(crate) fn of_cookie_value(value: &str, cookies: &SessionCookies) -> Option<(OwnedCustomer, SessionCookie)> {
    let cookie = cookies.read(value)?;
    let SessionCookie { customer, session, .. } = cookie;
    Some((OwnedCustomer { id: customer, session: Some(session), is_me: false, is_operators: false }, cookie))
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
