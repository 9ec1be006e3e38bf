//! Why a mail was not sent.

/// Why a mail was not sent. The texts name neither an address nor what the server said, which may quote the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The server could not be reached or refuses this service, whatever the mail.
    Unreachable(String),
    /// The connection broke while the mail was sent. It may have arrived.
    Interrupted(String),
    /// This mail was refused for now.
    Later(String),
    /// This mail was refused for good.
    Refused(String),
}

impl SendError {
    /// Returns the reason.
    pub(crate) fn reason(&self) -> &str {
        let (Self::Unreachable(reason) | Self::Interrupted(reason) | Self::Later(reason) | Self::Refused(reason)) =
            self;
        reason
    }
}
