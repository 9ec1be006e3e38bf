//! `clientele token issue`

use std::time::Duration;

use clap::Subcommand;

use super::customer::parse_id;
use super::{Failure, print};
use crate::ids::CustomerId;
use crate::settings::Settings;
use crate::tokens::AccessTokens;
use crate::tokens::Keys;
use crate::tokens::Principal;
use crate::tokens::secret;

#[derive(Subcommand)]
pub(super) enum Token {
    /// Print an access token for a customer, without any other output
    Issue {
        /// The customer's id
        #[arg(long, value_name = "ID", value_parser = parse_id)]
        customer: CustomerId,
        /// Lifetime in seconds, at most a year (default: auth.access_token_seconds)
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
        ttl: Option<u64>,
    },
}

impl Token {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let Self::Issue { customer, ttl } = self;
        let tokens = access_tokens(settings)?;
        let lifetime = ttl.map_or_else(|| tokens.lifetime(), Duration::from_secs);
        print(
            tokens
                .issue(Principal { customer, session: None }, lifetime)
                .map_err(|error| Failure::Failed(error.to_string()))?,
        )
    }
}

pub(super) fn access_tokens(settings: &Settings) -> Result<AccessTokens, Failure> {
    let usage = |error: String| Failure::Usage(format!("configuration: {error}"));
    let secret = secret::load(&settings.auth).map_err(usage)?;
    let keys = Keys::load(&settings.auth, &secret).map_err(usage)?;
    Ok(AccessTokens::new(&settings.auth, keys))
}
