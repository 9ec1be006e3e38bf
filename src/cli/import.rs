//! `clientele customer import`: reads JSON Lines in chunks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Failure, connect, print};
use crate::customers::{CHUNK, ImportLine, ImportOutcome, ImportedSoFar, import};
use crate::db::DbConnection;
use crate::http::Problem;
use crate::http::{Body, LONGEST_BODY, Operator};
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct Import {
    /// The file to read, with one JSON object per line; `-` for standard input
    file: PathBuf,
    /// Check every line without adding anything
    #[arg(long)]
    dry_run: bool,
}

/// The outcomes of the lines so far.
#[derive(Default)]
struct Report {
    read: u64,
    added: u64,
    present: u64,
    refused: u64,
    /// Members that were not imported: the number of lines, and the number of the first one.
    ignored: BTreeMap<&'static str, (u64, u64)>,
}

impl Import {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect(settings)?;
        let mut reader: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            let file = File::open(&self.file);
            Box::new(BufReader::new(
                file.map_err(|error| Failure::Failed(format!("{}: {error}", self.file.display())))?,
            ))
        };
        let mut report = Report::default();
        let mut earlier = self.dry_run.then(ImportedSoFar::default);
        let mut chunk: Vec<(u64, ImportLine)> = Vec::with_capacity(CHUNK);
        while let Some(line) = next_line(&mut reader)? {
            report.read += 1;
            let line = if report.read == 1 { without_mark(&line) } else { &line };
            match parse(line) {
                Ok(None) => {}
                Ok(Some(parsed)) => chunk.push((report.read, parsed)),
                Err(reasons) => report.refuse(report.read, &reasons)?,
            }
            if chunk.len() == CHUNK {
                add(&mut connection, &mut chunk, earlier.as_mut(), &mut report)?;
            }
        }
        add(&mut connection, &mut chunk, earlier.as_mut(), &mut report)?;
        report.finish(self.dry_run)
    }
}

fn add(
    connection: &mut DbConnection,
    chunk: &mut Vec<(u64, ImportLine)>,
    earlier: Option<&mut ImportedSoFar>,
    report: &mut Report,
) -> Result<(), Failure> {
    let (numbers, lines): (Vec<u64>, Vec<ImportLine>) = chunk.drain(..).unzip();
    let outcomes = import(connection, Operator::of_command_line(), &lines, earlier)?;
    for (number, outcome) in numbers.into_iter().zip(outcomes) {
        match outcome {
            ImportOutcome::Added(ignored) => report.add(number, &ignored),
            ImportOutcome::Present => report.present += 1,
            ImportOutcome::IdTaken => report.refuse(number, "#/id: another customer has this id")?,
            ImportOutcome::EmailTaken => report.refuse(number, "#/email: another customer has this email")?,
        }
    }
    report.progress()
}

/// Removes the byte order mark that some editors put at the start of a file.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}

/// Reads the next line, without its end. A line longer than a request body is cut to one byte more than is allowed, so
/// [`parse`] refuses it.
fn next_line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    let most = LONGEST_BODY as u64 + 1;
    if reader.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > LONGEST_BODY {
        skip_line(reader)?;
    }
    Ok(Some(line))
}

/// Skips the rest of the line.
fn skip_line(reader: &mut impl BufRead) -> Result<(), Failure> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}

/// Parses a line. Returns `None` for an empty one.
fn parse(line: &[u8]) -> Result<Option<ImportLine>, String> {
    if line.len() > LONGEST_BODY {
        return Err(format!("longer than {LONGEST_BODY} bytes"));
    }
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    ImportLine::from_json(line).map(Some).map_err(|problem| match problem {
        Problem::Validation(errors) => {
            let reasons: Vec<String> =
                errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
            reasons.join(" ")
        }
        Problem::MalformedJson(detail) => detail.into_owned(),
        other => other.to_string(),
    })
}

impl Report {
    fn add(&mut self, number: u64, ignored: &[&'static str]) {
        self.added += 1;
        for name in ignored {
            self.ignored.entry(name).or_insert((0, number)).0 += 1;
        }
    }

    fn refuse(&mut self, number: u64, reason: &str) -> Result<(), Failure> {
        self.refused += 1;
        Ok(writeln!(std::io::stderr(), "line {number}: {reason}")?)
    }

    fn progress(&self) -> Result<(), Failure> {
        let mut terminal = std::io::stderr();
        if terminal.is_terminal() {
            write!(terminal, "\r{} lines read, {} refused ", self.read, self.refused)?;
            terminal.flush()?;
        }
        Ok(())
    }

    fn finish(self, dry_run: bool) -> Result<(), Failure> {
        if std::io::stderr().is_terminal() {
            writeln!(std::io::stderr())?;
        }
        for (name, (count, first)) in &self.ignored {
            let kept = if dry_run { "would not be kept" } else { "was not kept" };
            writeln!(
                std::io::stderr(),
                "{name} {kept} in {count} lines, first in line {first}: {}",
                why_ignored(name)
            )?;
        }
        let added = if dry_run { "would be added" } else { "added" };
        let Self { read, added: count, present, refused, .. } = self;
        print(format_args!("{read} lines: {count} {added}, {present} were there, {refused} refused"))?;
        match refused {
            0 => Ok(()),
            refused => Err(Failure::Failed(format!("{refused} lines were refused"))),
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
