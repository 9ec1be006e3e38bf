//! `clientele customer import`: reads JSON Lines or CSV in chunks.

mod columns;
mod counted;
mod csv_rows;
mod json_lines;
mod report;
mod row;
mod start;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use columns::{Columns, Mapping};
use csv_rows::CsvRows;
use indicatif::ProgressBar;
use json_lines::JsonLines;
use report::{Report, progress_bar};
use row::Rows;
use start::Started;

use super::format::Format;
use super::{Failure, connect};
use crate::customers::{CHUNK, ImportLine, ImportedSoFar, import};
use crate::db::DbConnection;
use crate::http::Operator;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct Import {
    /// The file to read: JSON Lines, or CSV with a header; `-` for standard input
    file: PathBuf,
    /// The format of the file (default: told by its name, else by its first character)
    #[arg(long)]
    format: Option<Format>,
    /// Read the CSV column THEIRS as OURS, such as `email` or `address.city`; ignore it if OURS is empty
    #[arg(long = "map", value_name = "THEIRS=OURS", value_parser = Mapping::parse)]
    mappings: Vec<Mapping>,
    /// Ignore CSV columns that are unknown, instead of refusing the file
    #[arg(long)]
    ignore_unknown: bool,
    /// Check every line without adding anything
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let (reader, progress) = self.open()?;
        let mut rows = self.rows(reader)?;
        let mut connection = connect(settings)?;
        let mut report = Report::new(progress, rows.noun());
        let end = self.add_all(&mut connection, rows.as_mut(), &mut report);
        // Even if the import ended early, the sums tell what was added.
        let finished = report.finish(rows.count(), self.dry_run);
        end.and(finished)
    }

    /// Adds the customers of all rows, in chunks.
    fn add_all(&self, connection: &mut DbConnection, rows: &mut dyn Rows, report: &mut Report) -> Result<(), Failure> {
        let mut earlier = self.dry_run.then(ImportedSoFar::default);
        let mut chunk: Vec<(u64, ImportLine)> = Vec::with_capacity(CHUNK);
        let end = loop {
            match rows.next_row() {
                Ok(Some(row)) => match row.parsed {
                    Ok(line) => chunk.push((row.line, line)),
                    Err(reasons) => report.refuse(row.line, &reasons)?,
                },
                Ok(None) => break Ok(()),
                // What was read before is still added.
                Err(failure) => break Err(failure),
            }
            if chunk.len() == CHUNK {
                add(connection, &mut chunk, earlier.as_mut(), rows, report)?;
                report.show_progress(rows.count());
            }
        };
        add(connection, &mut chunk, earlier.as_mut(), rows, report)?;
        end
    }

    /// Opens the file, with a progress bar that shows how much of it was read.
    fn open(&self) -> Result<(Box<dyn BufRead>, ProgressBar), Failure> {
        if self.file.as_os_str() == "-" {
            let progress = progress_bar(None);
            return Ok((Box::new(BufReader::new(progress.wrap_read(std::io::stdin()))), progress));
        }
        let opened = File::open(&self.file).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| Failure::Failed(format!("{}: {error}", self.file.display())))?;
        let progress = progress_bar(metadata.is_file().then_some(metadata.len()));
        Ok((Box::new(BufReader::new(progress.wrap_read(file))), progress))
    }

    /// Chooses the format. Reads the header of CSV and says what becomes of each column.
    fn rows(&self, reader: Box<dyn BufRead>) -> Result<Box<dyn Rows>, Failure> {
        let started = Started::read(reader)?;
        let told = self.format.or_else(|| Format::of_name(&self.file));
        match told.unwrap_or_else(|| Format::of_content(&started.start)) {
            Format::Csv | Format::Tsv => {
                let columns = |header: &_| Columns::new(header, &self.mappings, self.ignore_unknown);
                Ok(Box::new(CsvRows::open(started, columns)?))
            }
            Format::Jsonl if self.ignore_unknown || !self.mappings.is_empty() => {
                Err(Failure::Usage("--map and --ignore-unknown are for CSV; this is JSON Lines".into()))
            }
            Format::Jsonl => Ok(Box::new(JsonLines::new(started.reader))),
        }
    }
}

fn add(
    connection: &mut DbConnection,
    chunk: &mut Vec<(u64, ImportLine)>,
    earlier: Option<&mut ImportedSoFar>,
    rows: &dyn Rows,
    report: &mut Report,
) -> Result<(), Failure> {
    let (numbers, lines): (Vec<u64>, Vec<ImportLine>) = chunk.drain(..).unzip();
    let outcomes = import(connection, Operator::of_command_line(), &lines, earlier)?;
    numbers.into_iter().zip(outcomes).try_for_each(|(number, outcome)| report.note(number, &outcome, rows))
}
