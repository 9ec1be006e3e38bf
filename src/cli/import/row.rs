//! What an import reads, whatever the format.

use crate::cli::Failure;
use crate::customers::ImportLine;
use crate::http::{Body, Problem};

/// A customer of the file.
pub(super) struct Row {
    /// The line at which the row begins; the first line of a file is 1.
    pub(super) line: u64,
    /// The customer, or why the row is refused.
    pub(super) parsed: Result<ImportLine, String>,
}

/// The customers of a file, in order.
pub(super) trait Rows {
    /// Reads the next row. Returns `None` at the end.
    ///
    /// # Errors
    /// Nothing more can be read.
    fn next_row(&mut self) -> Result<Option<Row>, Failure>;

    /// Returns how many rows were read.
    fn count(&self) -> u64;

    /// Returns the place of an error for people, given the JSON pointer to it.
    fn place(&self, pointer: &str) -> String;

    /// Returns what rows are called, in the plural.
    fn noun(&self) -> &'static str;
}

/// Parses a customer in JSON. A refusal tells where each error is, by [`Rows::place`], and never a value.
pub(super) fn parse(json: &[u8], place: impl Fn(&str) -> String) -> Result<ImportLine, String> {
    ImportLine::from_json(json).map_err(|problem| match problem {
        Problem::Validation(errors) => {
            let reasons = errors.iter().map(|error| format!("{}: {}", place(&error.pointer), error.detail));
            reasons.collect::<Vec<_>>().join(" ")
        }
        Problem::MalformedJson(detail) => detail.into_owned(),
        other => other.to_string(),
    })
}
