//! `clientele customer export`

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Failure, connect_existing};
use crate::customers::export;
use crate::db::DbConnection;
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
