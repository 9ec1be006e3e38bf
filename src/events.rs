//! Account events: one line each in the operator's log, with ids and no personal data, and for most a row in
//! [`crate::history`].

use crate::ids::CustomerId;
use crate::ids::SessionId;

/// An event that an operator may want to count or to alert on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A customer registered.
    Registration,
    /// A session began.
    SignIn,
    /// An email or a password was wrong.
    SignInFailed,
    /// A session was refreshed.
    Refresh,
    /// The previous refresh token was used again within the grace time: by a lost reply, parallel tabs, or a copy.
    RefreshRepeated,
    /// An old refresh token was used again, which ended its session.
    RefreshReused,
    /// A customer ended one or all of the own sessions.
    SignOut,
    /// A password was changed.
    PasswordChange,
    /// A password change failed because the current password was wrong.
    PasswordChangeFailed,
    /// A password was reset by a link.
    PasswordReset,
    /// An email was changed.
    EmailChange,
    /// An email was verified by a link.
    EmailVerified,
    /// A change of the email was reverted by a link.
    EmailReverted,
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
    /// Returns the name in the log and in the history.
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
            Self::PasswordReset => "password_reset",
            Self::EmailChange => "email_change",
            Self::EmailVerified => "email_verified",
            Self::EmailReverted => "email_reverted",
            Self::Export => "export",
            Self::Erasure => "erasure",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Operator => "operator",
        }
    }

    /// The most rows of one account in an hour, for events that a client can repeat without limit and could fill the
    /// disk with.
    pub(crate) fn most_an_hour(self) -> Option<i64> {
        matches!(self, Self::SignInFailed | Self::RefreshRepeated | Self::Export).then_some(MOST_AN_HOUR)
    }

    /// Logs the event. An unknown id is left out: a failed sign-in may have no customer.
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
