//! All ownership rules. Queries on owned data ask for an [`OwnedCustomer`], and only this module makes one.
//!
//! Ownership is decided from the token alone: before the body is read, without the database, and with the same
//! answer whether or not the other customer exists.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::auth::Principal;
use crate::customers::CustomerId;
use crate::problem::Problem;
use crate::sessions::SessionId;

/// The proof that the principal of this request owns the customer of its path.
#[derive(Clone, Debug)]
pub struct OwnedCustomer {
    id: CustomerId,
    session: Option<SessionId>,
}

impl OwnedCustomer {
    /// Whose data it is.
    pub fn id(&self) -> CustomerId {
        self.id
    }

    /// The session that the statement must find alive; `None` for a token that was minted elsewhere.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }
}

/// 404 for an id that is no id, 403 for another customer's, the proof for one's own; `me` is one's own.
fn decide(principal: &Principal, id: &str) -> Result<OwnedCustomer, Problem> {
    let own = OwnedCustomer { id: principal.customer, session: principal.session };
    if id == "me" {
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
        let extensions = request.extensions();
        ready(match extensions.get::<Principal>() {
            Some(principal) => decide(principal, request.match_info().query("id")),
            // A route that forgot the middleware: closed, not open.
            None => Err(Problem::TokenMissing),
        })
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
