//! `[mail]`: how mail is sent, and what is in it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::base_url::{BaseUrl, optional, text_or_empty};
use super::secret::Secret;
use super::smtp_url::SmtpUrl;

/// `[mail]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// How mail is sent, if at all.
    pub transport: Transport,
    /// The folder of the mails that [`Transport::File`] writes.
    pub folder: PathBuf,
    /// The server of [`Transport::Smtp`].
    pub url: SmtpUrl,
    /// The password for the server, if it is neither in the URL nor in a file.
    pub password: Secret,
    /// The file with the password.
    pub password_file: PathBuf,
    /// The sender: an address, with or without a name.
    pub from: String,
    /// What the mails call the shop.
    pub name: String,
    /// Where the links in mails lead, if not to the account pages.
    #[serde(deserialize_with = "optional", serialize_with = "text_or_empty")]
    pub links: Option<BaseUrl>,
    /// A folder with files that replace built-in templates.
    pub templates: PathBuf,
    /// The first pause after a mail could not be delivered, in seconds.
    pub retry_seconds: u64,
}

impl Mail {
    /// Returns the folder of the mails, if they are files.
    pub fn files(&self) -> Option<&Path> {
        (self.transport == Transport::File).then_some(&self.folder)
    }
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
    /// The operator has not chosen yet, and the service does not start.
    #[serde(rename = "")]
    Unset,
}
