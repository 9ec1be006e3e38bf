//! Prepares everything that the service needs before it listens, for `serve` and `config check`.

use std::fmt;
use std::time::Duration;

use crate::db::{DbError, MigrationState, check_writable, foreign_messages, migrate, statuses};
use crate::mail::Mailer;
use crate::pages::Pages;
use crate::settings::{Settings, SettingsError, Target};
use crate::tokens::{Keys, secret};

/// The statement time-out of migrations, which may take longer than the statements of requests.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(3600);

/// Why the service could not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration is invalid: exit code 2.
    Configuration(String),
    /// Any other failure: exit code 1.
    Failed(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(text) => write!(f, "configuration: {text}"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StartError {}

impl From<SettingsError> for StartError {
    fn from(error: SettingsError) -> Self {
        Self::Configuration(error.to_string())
    }
}

/// What to do if a secret, a database or a migration is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create or apply it, if the settings allow it.
    Make,
    /// Leave it missing. Not an error if the settings allow to create it.
    Leave,
}

/// The secret, the keys, the database, the mailer and the pages to start with.
pub(crate) struct Prepared {
    pub(crate) pages: Option<Pages>,
    pub(crate) secret: Vec<u8>,
    pub(crate) keys: Keys,
    pub(crate) target: Target,
    /// `None` if no mail is sent.
    pub(crate) mailer: Option<Mailer>,
}

/// Loads the secret, the keys and the templates of mails, connects to the database once, so that an unreachable
/// database is one clear error, and applies migrations if configured.
///
/// # Errors
/// One line that names what is wrong.
pub(crate) fn prepare(settings: &Settings, missing: Missing) -> Result<Prepared, StartError> {
    let secret = if missing == Missing::Leave && secret::would_generate(&settings.auth) {
        Vec::new()
    } else {
        secret::load(&settings.auth).map_err(StartError::Configuration)?
    };
    let keys = Keys::load(&settings.auth, &secret).map_err(StartError::Configuration)?;
    let pages = settings.pages.enabled.then(|| Pages::load(settings)).transpose().map_err(StartError::Configuration)?;
    let mailer = Mailer::load(settings).map_err(StartError::Configuration)?;
    let target = settings.target()?;
    if missing == Missing::Make || target.missing_file().is_none() {
        prepare_database(settings, &target, missing)?;
    }
    Ok(Prepared { secret, keys, target, mailer, pages })
}

fn prepare_database(settings: &Settings, target: &Target, missing: Missing) -> Result<(), StartError> {
    let system = target.system();
    let failed = |error: DbError| StartError::Failed(format!("{system}: {error}"));
    if let Target::Sqlite(path) = target
        && path.exists()
    {
        check_writable(path).map_err(|reason| StartError::Failed(format!("{system}: {reason}")))?;
    }
    let mut connection = target
        .connect_checked(settings.database.connect_timeout(), MIGRATION_TIMEOUT)
        .map_err(|reason| StartError::Failed(format!("{system}: {reason}")))?;
    if settings.database.migrate_at_start && missing == Missing::Make {
        for name in migrate(&mut connection).map_err(failed)? {
            log::info!("applied migration {name}");
        }
    }
    if let Some(language) = foreign_messages(&mut connection).map_err(failed)? {
        log::warn!(
            "the database's messages are in {language}, and this role may not change that: errors of newer versions may not \
             be recognised; an administrator can run `ALTER ROLE … SET lc_messages = 'C'`"
        );
    }
    let statuses = statuses(&mut connection).map_err(failed)?;
    let first = |state| statuses.iter().find(|status| status.state == state).map(|status| &status.name);
    if let Some(pending) = first(MigrationState::Pending).filter(|_| !settings.database.migrate_at_start) {
        log::warn!("migration {pending} is pending: run `clientele migrate run`; not ready until then");
    }
    if let Some(unknown) = first(MigrationState::Unknown) {
        log::warn!("the database has migration {unknown}, which this version does not know: the database is newer");
    }
    Ok(())
}
