//! The kinds of mails.

use serde::{Deserialize, Serialize};

/// A kind of mail. Each has its texts in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A link that verifies the email.
    VerifyEmail,
    /// A link to set a new password, because somebody forgot it.
    ForgottenPassword,
    /// A link to set a new password, for another reason.
    ResetPassword,
    /// A link that switches to a new email.
    ConfirmEmail,
    /// A change of email was requested.
    EmailChangeRequested,
    /// The email was changed, with a link that reverts it.
    EmailChanged,
    /// The password was changed.
    PasswordChanged,
    /// The password was reset by a link.
    PasswordReset,
    /// Somebody signed in from a new network.
    NewNetwork,
    /// The account was erased.
    Erased,
    /// A test by the operator.
    Test,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 11] = [
        Self::VerifyEmail,
        Self::ForgottenPassword,
        Self::ResetPassword,
        Self::ConfirmEmail,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::NewNetwork,
        Self::Erased,
        Self::Test,
    ];

    /// Returns the name in the files with texts, and for logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ForgottenPassword => "forgotten_password",
            Self::ResetPassword => "reset_password",
            Self::ConfirmEmail => "confirm_email",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::NewNetwork => "new_network",
            Self::Erased => "erased",
            Self::Test => "test",
        }
    }

    /// Returns the page that the mail's link leads to, if it has a link.
    pub(crate) fn page(self) -> Option<&'static str> {
        match self {
            Self::VerifyEmail | Self::ConfirmEmail => Some("verify"),
            Self::ForgottenPassword | Self::ResetPassword => Some("reset"),
            Self::EmailChanged => Some("revert"),
            _ => None,
        }
    }
}
