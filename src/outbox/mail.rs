//! The mails that changes cause.

use serde::{Deserialize, Serialize};

use crate::http::Language;

/// A mail to be sent, without what can be looked up when it is sent: the customer's email and names, and the link's token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub(crate) enum Mail {
    /// A link that verifies the customer's email. Nothing is sent if it is verified by then.
    VerifyEmail,
    /// Somebody forgot the password of this email (its canonical form). Whether it has an account is looked up when the mail
    /// is due, so that the request takes the same time for all emails. The row has no customer.
    ForgottenPassword {
        /// As the customer's canonical email.
        email: String,
    },
    /// A link to set a new password, for a customer who is known: sent by support, or after an email was reverted.
    ResetPassword,
    /// To the new email of a requested change: a link that switches to it. The link's row exists already and has the row's id.
    ConfirmEmail,
    /// To the current email: a change of it was requested.
    EmailChangeRequested,
    /// To the old email: it was changed. With a link that reverts the change.
    EmailChanged {
        /// The email before the change, as typed.
        old_email: String,
        /// Whether it was verified.
        verified: bool,
    },
    /// The password was changed, by the customer or by support.
    PasswordChanged,
    /// The password was reset by a link.
    PasswordReset,
    /// Somebody signed in from a network that was not seen before.
    NewNetwork {
        /// Such as `198.51.100.0/24`.
        network: String,
    },
    /// The account was erased. The row has no customer, because it outlives the account.
    Erased {
        /// The last email, as typed.
        email: String,
        /// The first name, if the email was verified.
        first_name: Option<String>,
    },
}

/// What a row's `content` holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Content {
    /// The mail.
    #[serde(flatten)]
    pub(crate) mail: Mail,
    /// The language of the request that caused it.
    pub(crate) language: Language,
}
