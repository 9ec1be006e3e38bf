//! The throttle of email changes, because each tells whether somebody has an account.

use actix_web::HttpRequest;

use super::update::Update;
use crate::app::App;
use crate::http::{Action, ClientAddress, ClientNetwork, Problem};

/// Counts the tries of a request's client and customer.
pub(super) struct EmailThrottle<'a> {
    app: &'a App,
    client: ClientAddress,
}

impl<'a> EmailThrottle<'a> {
    pub(super) fn new(app: &'a App, request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self { app, client: app.throttle.client(request)? })
    }

    /// The network of the client.
    pub(super) fn network(&self) -> ClientNetwork {
        self.client.network()
    }

    /// Lets through what leaves the email as it is, whatever was tried before: a client may send back all that it read.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub(super) async fn admit(&self, update: &Update) -> Result<(), Problem> {
        let Some(email) = &update.change.email else {
            return Ok(());
        };
        let peeked = self.app.throttle.peek(Action::EmailChange, &update.customer.id().to_string(), self.client);
        if let Err(exceeded) = peeked
            && let Ok(stored) = self.app.reads.submit(update.customer.clone()).await?
            && stored.customer.email != email.typed()
        {
            return Err(self.app.throttle.refuse(&exceeded));
        }
        Ok(())
    }

    /// Counts an email that was changed, or was found to be taken.
    pub(super) fn count(&self, account: &str) {
        self.app.throttle.count(Action::EmailChange, account, self.client);
    }
}
