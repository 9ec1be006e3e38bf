//! `clientele migrate run|revert|status`: what the diesel CLI does, for machines that have only this binary.

use clap::Subcommand;

use super::{Failure, connect_unmigrated, print};
use crate::db::{migrate, revert_last, statuses};
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Migrate {
    /// Apply what is pending
    Run,
    /// Revert the migration applied last; what it made is lost
    Revert,
    /// List all migrations; exit code 1 when one is pending
    Status,
}

impl Migrate {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect_unmigrated(settings)?;
        match self {
            Self::Run => {
                let applied = migrate(&mut connection)?;
                applied.iter().try_for_each(|name| print(format_args!("applied {name}")))?;
                if applied.is_empty() { print("nothing to apply") } else { Ok(()) }
            }
            Self::Revert => print(format_args!("reverted {}", revert_last(&mut connection)?)),
            Self::Status => {
                let statuses = statuses(&mut connection)?;
                for status in &statuses {
                    let mark = if status.applied { "applied" } else { "pending" };
                    print(format_args!("{mark} {}", status.name))?;
                }
                match statuses.iter().filter(|status| !status.applied).count() {
                    0 => Ok(()),
                    pending => Err(Failure::Failed(format!("{pending} pending"))),
                }
            }
        }
    }
}
