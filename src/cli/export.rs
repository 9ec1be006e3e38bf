//! `clientele customer export`: writes JSON Lines, CSV or TSV in chunks.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::customer::who::{By, Who, missing};
use super::format::{COLUMNS, Format};
use super::{Failure, connect_existing};
use crate::customers::support::personal_data_of;
use crate::customers::{Address, Customer, ExportLine, export};
use crate::db::DbConnection;
use crate::events::Event;
use crate::http::Operator;
use crate::private_file::PrivateFile;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct Export {
    /// The file to write, with mode 0600; an existing one is replaced when the export is complete (default: standard
    /// output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The format to write (default: told by the name of FILE, else jsonl)
    #[arg(long)]
    format: Option<Format>,
    /// Write password hashes too, for an import into another system
    #[arg(long)]
    with_passwords: bool,
    /// Write all data about this customer (an id or email) as one JSON document
    #[arg(long, value_name = "WHO", value_parser = Who::parse, conflicts_with_all = ["with_passwords", "format"])]
    customer: Option<Who>,
    #[command(flatten)]
    by: By,
}

impl Export {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect_existing(settings)?;
        match &self.out {
            Some(path) => {
                let mut file = PrivateFile::replacing(path)?;
                self.write(&mut connection, &mut file)?;
                Ok(file.finish()?)
            }
            None => {
                let mut out = BufWriter::new(std::io::stdout());
                self.write(&mut connection, &mut out)?;
                Ok(out.flush()?)
            }
        }
    }

    fn write(&self, connection: &mut DbConnection, out: &mut impl Write) -> Result<(), Failure> {
        match &self.customer {
            Some(who) => self.write_one(who, connection, out),
            None => self.write_all(connection, out),
        }
    }

    fn write_one(&self, who: &Who, connection: &mut DbConnection, out: &mut impl Write) -> Result<(), Failure> {
        let id = who.id(connection)?;
        let data = personal_data_of(connection, Operator::of_command_line(), id, &self.by.caller())?;
        let data = data.map_err(|_| missing(id))?;
        Event::Export.record(Some(id), None);
        serde_json::to_writer_pretty(&mut *out, &data).map_err(std::io::Error::from)?;
        Ok(writeln!(out)?)
    }

    fn write_all(&self, connection: &mut DbConnection, out: &mut impl Write) -> Result<(), Failure> {
        let named = || self.out.as_deref().and_then(Format::of_name);
        match self.format.or_else(named).unwrap_or(Format::Jsonl) {
            Format::Jsonl => self.each_line(connection, |line| {
                serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
                Ok(writeln!(out)?)
            }),
            format @ (Format::Csv | Format::Tsv) => {
                let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
                let mut out = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
                let width = if self.with_passwords { COLUMNS.len() } else { COLUMNS.len() - 1 };
                let mut write = |record: [&str; COLUMNS.len()]| {
                    out.write_record(record.into_iter().take(width)).map_err(|error| Failure::Failed(error.to_string()))
                };
                write(COLUMNS)?;
                self.each_line(connection, |line| {
                    let fields = fields(line);
                    write(fields.each_ref().map(String::as_str))
                })?;
                Ok(out.flush()?)
            }
        }
    }

    fn each_line(
        &self,
        connection: &mut DbConnection,
        mut write: impl FnMut(&ExportLine) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut after = 0;
        loop {
            let lines = export(connection, Operator::of_command_line(), after, self.with_passwords)?;
            let Some(last) = lines.last() else { return Ok(()) };
            after = last.id;
            lines.iter().try_for_each(&mut write)?;
        }
    }
}

/// Returns the fields of [`COLUMNS`]. What is unset is empty.
fn fields(line: &ExportLine) -> [String; COLUMNS.len()] {
    let ExportLine { id, customer, created_at, email_verified, disabled_at, password_hash } = line;
    let Customer { email, first_name, last_name, slug, date_of_birth, address } = customer;
    let of_address = |member: fn(&Address) -> Option<String>| address.as_ref().and_then(member).unwrap_or_default();
    [
        id.to_string(),
        email.clone(),
        first_name.clone(),
        last_name.clone(),
        slug.clone(),
        date_of_birth.map(|date| date.to_string()).unwrap_or_default(),
        of_address(|address| Some(address.street_address.clone())),
        of_address(|address| address.postal_code.as_ref().map(|code| code.as_str().to_owned())),
        of_address(|address| Some(address.city.clone())),
        of_address(|address| address.state.clone()),
        of_address(|address| Some(address.country.clone())),
        created_at.clone(),
        email_verified.clone().unwrap_or_default(),
        disabled_at.clone().unwrap_or_default(),
        password_hash.clone().unwrap_or_default(),
    ]
}
