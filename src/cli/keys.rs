//! `clientele keys generate`

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, print};
use crate::tokens::generate_key;

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Generate an Ed25519 private key in a new file with mode 0600 and print its key id (`kid`)
    Generate {
        /// The file to create, for auth.key_file; an existing one is never overwritten
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self::Generate { out } = self;
        print(generate_key(&out).map_err(Failure::Failed)?)
    }
}
