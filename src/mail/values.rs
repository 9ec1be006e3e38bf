//! What the texts of a mail show.

/// What is different in each mail of a kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// The customer's first name, if it may be used.
    pub(crate) name: Option<String>,
    /// The URL of the mail's link.
    pub(crate) link: Option<String>,
    /// The network of a new network's sign-in.
    pub(crate) network: Option<String>,
}
