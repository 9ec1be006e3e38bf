//! The state that handlers share. It is built once and passed to them as `web::Data<App>`.

use std::sync::Arc;

use crate::customers::{Reads, Updates};
use crate::db::{Database, Lane};
use crate::http::Throttle;
use crate::metrics::Metrics;
use crate::passwords::Passwords;
use crate::prepare::{Prepared, StartError};
use crate::sessions::Lifetimes;
use crate::settings::Settings;
use crate::tokens::{AccessTokens, RefreshTokens};

/// The state of the service.
pub struct App {
    /// Runs single jobs.
    pub database: Database,
    /// Runs changes of profiles in batches.
    pub updates: Lane<Updates>,
    /// Runs reads of profiles in batches.
    pub reads: Lane<Reads>,
    /// Issues and verifies access tokens. Shared with the guard's middleware.
    pub tokens: Arc<AccessTokens>,
    /// Derives and checks refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Slows guessing and floods. Shared with the throttle's middleware.
    pub throttle: Arc<Throttle>,
    /// What the service counts about itself.
    pub metrics: Metrics,
}

impl App {
    /// Starts the threads of the database and of the passwords.
    ///
    /// # Errors
    /// The operating system could not create a thread or provide random numbers.
    pub(crate) fn start(settings: &Settings, prepared: Prepared) -> Result<Self, StartError> {
        let Prepared { secret, keys, target } = prepared;
        let failed = |error: std::io::Error| StartError::Failed(format!("could not start: {error}"));
        let metrics = Metrics::default();
        let database = Database::start(settings, target, &metrics).map_err(failed)?;
        Ok(Self {
            updates: Lane::start(&database).map_err(failed)?,
            reads: Lane::start(&database).map_err(failed)?,
            database,
            tokens: Arc::new(AccessTokens::new(&settings.auth, keys)),
            refresh_tokens: RefreshTokens::new(&secret).map_err(|error| StartError::Failed(error.to_string()))?,
            lifetimes: Lifetimes::from(&settings.auth),
            passwords: Passwords::start(&settings.auth, &metrics).map_err(failed)?,
            throttle: Arc::new(Throttle::new(&settings.throttle, &metrics)),
            metrics,
        })
    }
}
