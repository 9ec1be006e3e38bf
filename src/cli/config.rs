//! `clientele config show|check`

use clap::Subcommand;

use super::{Failure, print};
use crate::prepare::{Missing, prepare};
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Config {
    /// Print the effective settings as TOML, secrets redacted
    Show,
    /// Check everything that `serve` checks before it listens, database and keys included, without creating anything
    Check,
}

impl Config {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        match self {
            Self::Show => {
                let text = toml::to_string(settings).map_err(|error| Failure::Failed(error.to_string()))?;
                print(text.trim_end())
            }
            Self::Check => {
                prepare(settings, Missing::Leave)?;
                print("the settings are valid")
            }
        }
    }
}
