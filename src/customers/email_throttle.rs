//! The throttle of email changes. Each change reveals whether the new email belongs to an account, and causes mails.

use actix_web::HttpRequest;

use super::fields::Email;
use super::update::Update;
use crate::app::App;
use crate::http::{Action, ClientAddress, ClientNetwork, Exceeded, Problem};

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

    /// Admits an update unless it changes the email and the quota is used up. An update that sends back the stored
    /// email is always admitted.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub(super) async fn admit(&self, update: &Update) -> Result<(), Problem> {
        let Some(email) = &update.change.email else {
            return Ok(());
        };
        let account = update.customer.id().to_string();
        let peeked = self
            .app
            .throttle
            .peek(Action::EmailChange, &account, self.client)
            .and_then(|()| self.peek_mails(&account, email.canonical()));
        if let Err(exceeded) = peeked
            && let Ok(stored) = self.app.reads.submit(update.customer.clone()).await?
            && stored.customer.email != email.typed()
        {
            return Err(self.app.throttle.refuse(&exceeded));
        }
        Ok(())
    }

    /// Each change mails a link to the new email, and a notice to the one before.
    fn peek_mails(&self, account: &str, email: &str) -> Result<(), Exceeded> {
        if !self.app.sends_mail {
            return Ok(());
        }
        let throttle = &self.app.throttle;
        throttle.peek_mail(Action::EmailChange, account).and_then(|()| throttle.peek_mail(Action::EmailChange, email))
    }

    /// Counts a change of the email, or an attempt that found the email taken.
    pub(super) fn count(&self, account: &str) {
        self.app.throttle.count(Action::EmailChange, account, self.client);
    }

    /// Counts the mails of a change.
    pub(super) fn count_mails(&self, account: &str, email: &Email) {
        if self.app.sends_mail {
            let admitted = [account, email.canonical()].map(|key| self.app.throttle.may_mail(Action::EmailChange, key));
            if admitted.contains(&false) {
                log::debug!("concurrent changes exceeded the quota of mails");
            }
        }
    }
}
