//! `[mail]`: how mail is sent.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[mail]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// How mail is sent, if at all.
    pub transport: Transport,
    /// The folder of the mails that [`Transport::File`] writes.
    pub folder: PathBuf,
}

/// How mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Each mail becomes a file.
    File,
    /// To an SMTP server.
    Smtp,
    /// No mail is sent, and there is no recovery.
    None,
}
