//! The texts of all mails in one language: a TOML file. Each text is a template.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::kind::Kind;

/// A template, with its place in the file.
pub(super) type Line = Spanned<String>;

/// The texts of one language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Messages {
    /// The first line, for customers whose name may be used.
    pub(super) greeting_with_name: Line,
    /// The first line otherwise.
    pub(super) greeting: Line,
    /// What to do if the button does not work.
    pub(super) link_hint: Line,
    /// The last line.
    pub(super) footer: Line,
    /// The texts of each kind of mail.
    pub(super) mails: BTreeMap<Kind, Message>,
}

/// The texts of one kind of mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) subject: Line,
    /// Paragraphs before the link.
    pub(super) before: Vec<Line>,
    /// The text of the link, for a mail with one.
    pub(super) button: Option<Line>,
    /// Paragraphs after the link.
    #[serde(default)]
    pub(super) after: Vec<Line>,
}

impl Messages {
    /// Parses a file.
    ///
    /// # Errors
    /// One line that says where the mistake is and what is missing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let messages: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| format!("line {}: ", line_at(text, span.start)));
            format!("{}{}", line.unwrap_or_default(), error.message())
        })?;
        for kind in Kind::ALL {
            let message = messages.mails.get(&kind).ok_or_else(|| format!("mails.{} is missing", kind.name()))?;
            if message.button.is_some() != kind.page().is_some() {
                let line = line_at(text, message.subject.span().start);
                let needs = if kind.page().is_some() { "needs a button" } else { "has no link, so it takes no button" };
                return Err(format!("line {line}: mails.{} {needs}", kind.name()));
            }
        }
        Ok(messages)
    }
}

/// Returns the line of a place in a text, counted from 1.
pub(super) fn line_at(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}
