//! The outcomes, besides success, of a statement on a customer's data.

use super::field_errors::FieldError;
use super::problem::Problem;

/// Why a statement on a customer's data had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The customer does not exist.
    Missing,
    /// The token's session has ended.
    SessionEnded,
    /// The password is right, but the operator has disabled the account.
    Disabled,
    /// The password is right, but the email has to be verified first.
    Unverified,
    /// The link was used, or has ended.
    LinkInvalid,
    /// The stored version is not one that the request allows.
    VersionMismatch,
    /// Another customer has the email.
    EmailTaken,
    /// The change does not fit the stored customer: an address would be incomplete, or the email needs confirmation.
    Fields(Vec<FieldError>),
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::NotFound,
            Denied::SessionEnded => Self::SessionEnded,
            Denied::Disabled => Self::AccountDisabled,
            Denied::Unverified => Self::EmailUnverified,
            Denied::LinkInvalid => Self::LinkInvalid,
            Denied::VersionMismatch => Self::VersionMismatch,
            Denied::EmailTaken => Self::EmailTaken,
            Denied::Fields(errors) => Self::Validation(errors),
        }
    }
}
