//! `clientele customer export`

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, connect};
use crate::customers::export;
use crate::settings::Settings;

#[derive(Args)]
pub(super) struct Export {
    /// The file to write, with mode 0600 (default: standard output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write password hashes too, for an import elsewhere
    #[arg(long)]
    with_passwords: bool,
}

impl Export {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect(settings)?;
        let target: Box<dyn Write> = match &self.out {
            Some(path) => {
                let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
                Box::new(file.map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?)
            }
            None => Box::new(std::io::stdout()),
        };
        let mut target = BufWriter::new(target);
        let mut after = 0;
        loop {
            let lines = export(&mut connection, after, self.with_passwords)?;
            let Some(last) = lines.last() else { break };
            after = last.id();
            for line in &lines {
                serde_json::to_writer(&mut target, line).map_err(std::io::Error::from)?;
                writeln!(target)?;
            }
        }
        Ok(target.flush()?)
    }
}
