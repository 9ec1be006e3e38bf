//! What happens to accounts: for the operator one log line each, ids only, no personal data; for the owner a row in
//! [`crate::history`].

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
    /// The operator disabled an account.
    Disabled,
    /// The operator enabled a disabled account.
    Enabled,
    /// The operator changed something from the command line.
    Operator,
}

/// The most rows of one account and kind in an hour, for what can be repeated without end; see [`Event::most_an_hour`].
const MOST_AN_HOUR: i64 = 10;

impl Event {
    /// The name in a log line and in a row of the history.
    pub(crate) fn name(self) -> &'static str {
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
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Operator => "operator",
        }
    }

    /// The most rows of one account in an hour, where somebody who changes nothing could fill the disk with them.
    pub(crate) fn most_an_hour(self) -> Option<i64> {
        matches!(self, Self::SignInFailed | Self::RefreshRepeated | Self::Export).then_some(MOST_AN_HOUR)
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
