//! `clientele backup` copies the SQLite database while it is in use.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, connect_unmigrated, print};
use crate::db::back_up;
use crate::prepare::StartError;
use crate::private_file;
use crate::settings::{Settings, Target};

#[derive(Args)]
pub(super) struct Backup {
    /// The file to write, with mode 0600. It contains personal data and password hashes
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Replace an existing file once the copy is complete
    #[arg(long)]
    force: bool,
}

impl Backup {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let Target::Sqlite(database) = settings.target().map_err(StartError::from)? else {
            return Err(Failure::Usage(
                "backup copies SQLite databases; for PostgreSQL use pg_dump --format=custom".into(),
            ));
        };
        let mut connection = connect_unmigrated(settings)?;
        if is_same_file(&self.to, &database) {
            return Err(Failure::Failed(format!("{} is the database itself", self.to.display())));
        }
        private_file::make_with(&self.to, self.force, |draft| Ok::<_, Failure>(back_up(&mut connection, draft)?))?;
        print(format_args!("{}: {} bytes, checked", self.to.display(), self.to.metadata()?.len()))
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}
