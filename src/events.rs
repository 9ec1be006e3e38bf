//! What happened to accounts, for the operator: one log line each, ids only, no personal data.

use crate::ids::CustomerId;
use crate::ids::SessionId;

/// Something an operator may want to count or to alert on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A customer registered.
    Registration,
    /// A session began.
    SignIn,
    /// An email or a password was wrong.
    SignInFailed,
    /// A session went on.
    Refresh,
    /// The previous refresh token was used again in time: a lost reply, parallel tabs, or a copy.
    RefreshRepeated,
    /// An old refresh token was used again; its session is over.
    RefreshReused,
    /// A session, or all of a customer's, was ended by its owner.
    SignOut,
    /// A password was changed.
    PasswordChange,
    /// A password was to be changed, and the current one was wrong.
    PasswordChangeFailed,
    /// An email was changed.
    EmailChange,
    /// A customer asked for everything that is held about them.
    Export,
    /// A customer was erased.
    Erasure,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::SignIn => "sign_in",
            Self::SignInFailed => "sign_in_failed",
            Self::Refresh => "refresh",
            Self::RefreshRepeated => "refresh_repeated",
            Self::RefreshReused => "refresh_reused",
            Self::SignOut => "sign_out",
            Self::PasswordChange => "password_change",
            Self::PasswordChangeFailed => "password_change_failed",
            Self::EmailChange => "email_change",
            Self::Export => "export",
            Self::Erasure => "erasure",
        }
    }

    /// Writes the line. Ids are left out where there are none: a failed sign-in may name nobody.
    pub fn record(self, customer: Option<CustomerId>, session: Option<SessionId>) {
        log::info!(
            target: "clientele::events",
            event = self.name(),
            customer_id = customer.map(CustomerId::get),
            session_id = session.map(SessionId::get);
            "event"
        );
    }
}
