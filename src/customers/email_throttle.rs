//! The throttle of email changes. Each change reveals whether the new email belongs to an account.

use actix_web::HttpRequest;

use super::update::Update;
use crate::app::App;
use crate::http::{Action, ClientAddress, ClientNetwork, Problem};

/// Counts email changes by the client's address and by the customer.
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

    /// Admits an update unless it changes the email and the quota is used up. An update that sends back the stored email
    /// is always admitted.
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

    /// Counts a change of the email, or an attempt that found the email taken.
    pub(super) fn count(&self, account: &str) {
        self.app.throttle.count(Action::EmailChange, account, self.client);
    }
}
