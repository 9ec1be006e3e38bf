//! Mails: their kinds and texts, the messages made from them, and the ways they are sent.
//!
//! A mail's texts are in `templates/`: one file for each language, and a layout each for plain text and HTML. An
//! operator can replace each of these files. All kinds in all languages are rendered once at the start, so that a
//! template with a mistake stops the start.

mod address;
pub(crate) mod file;
mod kind;
mod mailer;
mod messages;
mod sample;
mod send_error;
mod smtp;
mod templates;
mod values;

pub(crate) use self::kind::Kind;
pub(crate) use self::mailer::{Letter, Mailer};
pub(crate) use self::send_error::SendError;
pub(crate) use self::values::Values;
