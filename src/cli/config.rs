//! `clientele config show|check`

use clap::Subcommand;

use super::{Failure, print};
use crate::sessions::secret;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Config {
    /// Print the effective settings as TOML, secrets redacted
    Show,
    /// Check the settings as `serve` would, without starting; makes no secret file
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
                let auth = &settings.auth;
                let to_be_made = auth.secret.expose().is_empty() && auth.generate_secret && !auth.secret_file.exists();
                if !to_be_made {
                    secret::load(auth).map_err(|error| Failure::Usage(format!("configuration: {error}")))?;
                }
                print("the settings are good")
            }
        }
    }
}
