//! First and last names.

use super::{slug, text};
use crate::http::{Rule, Violation};

/// 1 to 150 characters.
pub(crate) static FIRST_NAME: Rule<Name> =
    Rule { parse: |json| json.text().and_then(Name::first), schema: || text::schema(1, 150, "John") };
/// 0 to 150 characters: some people have only one name.
pub(crate) static LAST_NAME: Rule<Name> =
    Rule { parse: |json| json.text().and_then(Name::last), schema: || text::schema(0, 150, "Doe") };

/// A name with its ASCII form.
#[derive(Clone)]
pub struct Name {
    /// The normalised name.
    pub text: String,
    /// The slug of the name. Empty when no part of the name has an ASCII form.
    pub slug: String,
}

impl Name {
    /// Parses a first name of 1 to 150 characters.
    pub(crate) fn first(given: &str) -> Result<Self, Violation> {
        text::normalise(given, 1..=150).map(Self::from)
    }

    /// Parses a last name of 0 to 150 characters.
    pub(crate) fn last(given: &str) -> Result<Self, Violation> {
        text::normalise(given, 0..=150).map(Self::from)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self { slug: slug::part(&text), text }
    }
}
