//! `clientele customer export`

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::customer::who::{By, Who, missing};
use super::{Failure, connect_existing};
use crate::customers::export;
use crate::customers::support::personal_data_of;
use crate::db::DbConnection;
use crate::events::Event;
use crate::http::Operator;
use crate::private_file::PrivateFile;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct Export {
    /// The file to write, with mode 0600; an existing one is replaced when the export is complete (default: standard output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write password hashes too, for an import into another system
    #[arg(long)]
    with_passwords: bool,
    /// Write all data about this customer (an id or email) as one JSON document
    #[arg(long, value_name = "WHO", value_parser = Who::parse, conflicts_with = "with_passwords")]
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
        let mut after = 0;
        loop {
            let lines = export(connection, Operator::of_command_line(), after, self.with_passwords)?;
            let Some(last) = lines.last() else { return Ok(()) };
            after = last.id();
            for line in &lines {
                serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
    }
}
