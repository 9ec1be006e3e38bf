//! Makes mails and sends them.

use std::path::PathBuf;

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};

use super::kind::Kind;
use super::send_error::SendError;
use super::smtp::Smtp;
use super::templates::Templates;
use super::values::Values;
use super::{address, file};
use crate::http::Language;
use crate::ids::{CustomerId, EntryId};
use crate::settings::{Settings, Transport};

/// A mail to be sent.
#[derive(Debug)]
pub(crate) struct Letter {
    /// The id of its row in the outbox.
    pub(crate) id: EntryId,
    /// Makes the `Message-ID` unique among services that send from one domain.
    pub(crate) unique: String,
    /// Whom it is about, if there is somebody.
    pub(crate) customer: Option<CustomerId>,
    pub(crate) kind: Kind,
    pub(crate) language: Language,
    /// The email that it goes to, as typed.
    pub(crate) to: String,
    /// What its texts show.
    pub(crate) values: Values,
}

/// Makes mails and sends them, as the settings say.
pub(crate) struct Mailer {
    templates: Templates,
    from: Mailbox,
    way: Way,
}

enum Way {
    File(PathBuf),
    Smtp(Box<Smtp>),
}

impl Mailer {
    /// Prepares what the settings say. Returns `None` if no mail is sent.
    ///
    /// # Errors
    /// One line that names the key, or a template's file and line.
    pub(crate) fn load(settings: &Settings) -> Result<Option<Self>, String> {
        let mail = &settings.mail;
        let way = match mail.transport {
            Transport::Unset => return Err("mail.transport: choose smtp, file or none".into()),
            Transport::None => return Ok(None),
            Transport::File if mail.folder.as_os_str().is_empty() => {
                return Err("mail.transport = \"file\" needs mail.folder".into());
            }
            Transport::File if mail.folder.exists() && !mail.folder.is_dir() => {
                return Err(format!("mail.folder {}: this is not a folder", mail.folder.display()));
            }
            Transport::File => Way::File(mail.folder.clone()),
            Transport::Smtp => Way::Smtp(Box::new(Smtp::new(mail)?)),
        };
        if !settings.pages.enabled && mail.links.is_none() {
            return Err(
                "pages.enabled = false needs mail.links, where the links in mails lead, or mail.transport = \"none\""
                    .into(),
            );
        }
        if matches!(way, Way::Smtp(_)) && settings.server.public_url.is_none() && mail.links.is_none() {
            return Err("mail.transport = \"smtp\" needs server.public_url, where the links in mails lead".into());
        }
        let host = settings.server.public_url.as_ref().map(|url| url.host());
        let name = if mail.name.is_empty() { host.unwrap_or_else(|| "localhost".into()) } else { mail.name.clone() };
        let from = match (&way, mail.from.as_str()) {
            (Way::Smtp(_), "") => return Err("mail.transport = \"smtp\" needs mail.from".into()),
            (Way::File(_), "") => "accounts@localhost",
            (_, from) => from,
        };
        let from = address::sender(from, &name)?;
        Ok(Some(Self { templates: Templates::load(&mail.templates, &name)?, from, way }))
    }

    /// Returns the folder with mails about customers, if there is one.
    pub(crate) fn folder(&self) -> Option<&PathBuf> {
        match &self.way {
            Way::File(folder) => Some(folder),
            Way::Smtp(_) => None,
        }
    }

    /// Describes where mails go.
    pub(crate) fn destination(&self) -> String {
        match &self.way {
            Way::File(folder) => folder.display().to_string(),
            Way::Smtp(smtp) => smtp.name(),
        }
    }

    /// Sends a mail.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(letter).map_err(SendError::Refused)?;
        match &self.way {
            Way::File(folder) => file::write(folder, letter.customer, letter.id, &message.formatted()),
            Way::Smtp(smtp) => smtp.send(message.envelope(), &message.formatted()),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, String> {
        let to = address::recipient(&letter.to)?;
        let text = self.templates.render(letter.kind, letter.language, &letter.values)?;
        let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        let failed = |error: lettre::error::Error| error.to_string();
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()]).map_err(failed)?;
        Message::builder()
            .envelope(envelope)
            .message_id(Some(format!("<{}.{}@{}>", letter.id, letter.unique, self.from.email.domain())))
            .date_now()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(text.subject)
            // RFC 3834: no automatic reply to this.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("Content-Language", letter.language.tag()))
            .multipart(
                MultiPart::alternative()
                    .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(readable(text.plain)))
                    .singlepart(SinglePart::html(text.html)),
            )
            .map_err(failed)
    }
}

/// The longest line in a mail, in bytes (RFC 5322 §2.1.1).
const LONGEST_LINE: usize = 998;

/// Leaves a text as it is where that is allowed, so that a link in a file can be found with grep.
fn readable(text: String) -> Body {
    if !text.is_ascii() || text.lines().any(|line| line.len() > LONGEST_LINE) {
        return Body::new(text);
    }
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
}
