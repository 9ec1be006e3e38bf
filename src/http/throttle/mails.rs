//! The quota of mails that clients can cause: a small one, so that nobody can flood a mailbox.
//!
//! It is counted for the account or the email that gets the mail, whoever asks. So others can use it up, but each
//! request that counted has sent a mail with a link that works for longer than the bucket takes to get its next token.
//! See `docs/decisions/0019-recovery.md`.

use std::time::Instant;

use super::{Action, Exceeded, Problem, Throttle};

impl Throttle {
    /// Counts a mail to `recipient`: a customer's id, or a canonical email.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn mail(&self, action: Action, recipient: &str) -> Result<(), Problem> {
        self.take_for_mail(action, recipient).map_err(|exceeded| self.refuse(&exceeded))
    }

    /// Takes back a mail that was [counted](Self::mail) and is not sent.
    pub fn take_mail_back(&self, action: Action, recipient: &str) {
        self.mails.give_back(&self.account(action, recipient, None));
    }

    /// Counts a mail that is not essential, and returns whether it may be sent.
    pub fn may_mail(&self, action: Action, recipient: &str) -> bool {
        self.take_for_mail(action, recipient).is_ok()
    }

    /// Checks that the quota of mails to `recipient` is not used up. Counts nothing.
    ///
    /// # Errors
    /// That it is. A request that is told so is [refused](Self::refuse).
    pub fn peek_mail(&self, action: Action, recipient: &str) -> Result<(), Exceeded> {
        if !self.enabled {
            return Ok(());
        }
        let key = self.account(action, recipient, None);
        self.mails.peek(&key, Instant::now()).map_err(Exceeded::of_account(action))
    }

    fn take_for_mail(&self, action: Action, recipient: &str) -> Result<(), Exceeded> {
        if !self.enabled {
            return Ok(());
        }
        let key = self.account(action, recipient, None);
        self.mails.take(key, Instant::now()).map_err(Exceeded::of_account(action))
    }
}
