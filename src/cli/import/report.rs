//! What an import says of its rows: refusals and progress on standard error, the sums on standard output.

use std::collections::BTreeMap;
use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::row::Rows;
use crate::cli::{Failure, print};
use crate::customers::ImportOutcome;

const UNKNOWN_LENGTH: &str = "{spinner} {msg}";
const KNOWN_LENGTH: &str = "{wide_bar} {percent}% {msg}, {eta} left";

/// The outcomes of the rows so far.
pub(super) struct Report {
    progress: ProgressBar,
    noun: &'static str,
    added: u64,
    present: u64,
    refused: u64,
    /// Members that were not imported: the number of rows, and the line of the first one.
    ignored: BTreeMap<&'static str, (u64, u64)>,
}

/// Returns a progress bar, which is shown only on a terminal. The length is the number of bytes to read, if it is
/// known.
pub(super) fn progress_bar(length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let template = if length.is_some() { KNOWN_LENGTH } else { UNKNOWN_LENGTH };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Report {
    pub(super) fn new(progress: ProgressBar, noun: &'static str) -> Self {
        Self { progress, noun, added: 0, present: 0, refused: 0, ignored: BTreeMap::new() }
    }

    /// Notes the outcome of the row that begins at a line.
    pub(super) fn note(&mut self, line: u64, outcome: &ImportOutcome, rows: &dyn Rows) -> Result<(), Failure> {
        match outcome {
            ImportOutcome::Added(ignored) => {
                self.added += 1;
                for name in ignored {
                    self.ignored.entry(name).or_insert((0, line)).0 += 1;
                }
                Ok(())
            }
            ImportOutcome::Present => {
                self.present += 1;
                Ok(())
            }
            ImportOutcome::IdTaken => {
                self.refuse(line, &format!("{}: another customer has this id", rows.place("#/id")))
            }
            ImportOutcome::EmailTaken => {
                self.refuse(line, &format!("{}: another customer has this email", rows.place("#/email")))
            }
        }
    }

    /// Says why the row that begins at a line is refused.
    pub(super) fn refuse(&mut self, line: u64, reason: &str) -> Result<(), Failure> {
        self.refused += 1;
        Ok(self.progress.suspend(|| writeln!(std::io::stderr(), "line {line}: {reason}"))?)
    }

    /// Shows how many rows were read.
    pub(super) fn show_progress(&self, read: u64) {
        self.progress.set_message(format!("{read} {} read, {} refused", self.noun, self.refused));
    }

    /// Prints the sums.
    ///
    /// # Errors
    /// Rows were refused.
    pub(super) fn finish(self, read: u64, dry_run: bool) -> Result<(), Failure> {
        let Self { progress, noun, added: count, present, refused, ignored } = self;
        progress.finish_and_clear();
        for (name, (count, first)) in &ignored {
            let kept = if dry_run { "would not be kept" } else { "was not kept" };
            let reason = why_ignored(name);
            writeln!(std::io::stderr(), "{name} {kept} in {count} {noun}, first in line {first}: {reason}")?;
        }
        let added = if dry_run { "would be added" } else { "added" };
        print(format_args!("{read} {noun}: {count} {added}, {present} were there, {refused} refused"))?;
        match refused {
            0 => Ok(()),
            refused => Err(Failure::Failed(format!("{refused} {noun} were refused"))),
        }
    }
}

fn why_ignored(name: &str) -> &'static str {
    match name {
        "slug" => "it does not fit the name, or another customer has it",
        "created_at" => "it is not a time in the past, such as 2026-01-31T12:00:00Z",
        _ => "the database does not store it",
    }
}
