//! `clientele migrate run|revert|status`: does what the diesel CLI does, on machines that have only this binary.

use clap::Subcommand;

use super::{Failure, connect_unmigrated, open, print};
use crate::db::{DbConnection, MigrationState, MigrationStatus, migrate, revert_last, statuses};
use crate::prepare::StartError;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Migrate {
    /// Apply all pending migrations
    Run,
    /// Revert the latest migration; the data in the tables and columns that it added is lost
    Revert,
    /// List all migrations; the exit code is 1 if one is pending, or applied but unknown to this version
    Status,
}

impl Migrate {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        match self {
            Self::Run => {
                let target = settings.target().map_err(StartError::from)?;
                let mut connection = open(settings, &target)?;
                let applied = migrate(&mut connection)?;
                applied.iter().try_for_each(|name| print(format_args!("applied {name}")))?;
                if applied.is_empty() { print("nothing to apply") } else { Ok(()) }
            }
            Self::Revert => print(format_args!("reverted {}", revert_last(&mut connect_unmigrated(settings)?)?)),
            Self::Status => status(&mut connect_unmigrated(settings)?),
        }
    }
}

fn status(connection: &mut DbConnection) -> Result<(), Failure> {
    let statuses = statuses(connection)?;
    for MigrationStatus { name, state } in &statuses {
        let mark = match state {
            MigrationState::Applied => "applied",
            MigrationState::Pending => "pending",
            MigrationState::Unknown => "unknown",
        };
        print(format_args!("{mark} {name}"))?;
    }
    let count = |state| statuses.iter().filter(|status| status.state == state).count();
    match (count(MigrationState::Pending), count(MigrationState::Unknown)) {
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::Failed("the database is newer than this version of clientele".into())),
        (pending, _) => Err(Failure::Failed(format!("{pending} pending"))),
    }
}
