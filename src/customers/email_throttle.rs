//! The throttle of email changes, because each tells whether somebody has an account.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::read::Reads;
use super::update::Update;
use crate::db::Lane;
use crate::problem::Problem;
use crate::throttle::{Action, ClientAddress, Throttle};

/// Counts the tries of a request's client and customer.
pub(super) struct EmailThrottle {
    client: ClientAddress,
    throttle: web::Data<Throttle>,
    reads: web::Data<Lane<Reads>>,
}

impl EmailThrottle {
    /// Lets through what leaves the email as it is, whatever was tried before: a client may send back all that it read.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub(super) async fn admit(&self, update: &Update) -> Result<(), Problem> {
        let Some(email) = &update.change.email else {
            return Ok(());
        };
        let peeked = self.throttle.peek(Action::EmailChange, &update.customer.id().to_string(), self.client);
        if peeked.is_err()
            && let Ok(stored) = self.reads.submit(update.customer.clone()).await?
            && stored.customer.email != email.typed()
        {
            return peeked;
        }
        Ok(())
    }

    /// Counts an email that was changed, or was found to be taken.
    pub(super) fn count(&self, account: &str) {
        self.throttle.count(Action::EmailChange, account, self.client);
    }
}

impl FromRequest for EmailThrottle {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (throttle, reads) = (request.app_data().cloned(), request.app_data().cloned());
        ready(ClientAddress::of(request).and_then(|client| match (throttle, reads) {
            (Some(throttle), Some(reads)) => Ok(Self { client, throttle, reads }),
            _ => Err(Problem::Internal("the throttle or the reads lane is missing".into())),
        }))
    }
}
