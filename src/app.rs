//! The shared state of the handlers. It is built once and passed to them as `web::Data<App>`.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::{HttpRequest, web};

use crate::customers::{Reads, Updates};
use crate::db::{Database, Lane};
use crate::history::Caller;
use crate::http::{ClientNetwork, Language, Problem, Throttle};
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::passwords::Passwords;
use crate::prepare::{Prepared, StartError};
use crate::sessions::{Lifetimes, SignInRules};
use crate::settings::{EmailRule, Settings};
use crate::tokens::{AccessTokens, LinkTokens, RefreshTokens, SessionCookies};

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
    /// Derives the tokens of links in mails.
    pub link_tokens: LinkTokens,
    /// Signs the cookies of the account pages.
    pub cookies: SessionCookies,
    /// The account pages, if there are any.
    pub pages: Option<web::Data<Pages>>,
    /// Whether mail is sent at all.
    pub sends_mail: bool,
    /// Whether PUT and PATCH may replace the email at once.
    pub email_rule: EmailRule,
    /// The folder with mails about customers, if mails are files.
    pub mail_folder: Option<PathBuf>,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// What else a sign-in checks and tells.
    pub sign_in_rules: SignInRules,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Limits sign-in attempts and other costly requests. Shared with the throttle's middleware.
    pub throttle: Arc<Throttle>,
    /// The metrics of the service.
    pub metrics: Metrics,
}

impl App {
    /// Starts the threads for the database and for password hashing.
    ///
    /// # Errors
    /// The operating system could not create a thread or provide random numbers.
    pub(crate) fn start(settings: &Settings, prepared: Prepared) -> Result<Self, StartError> {
        let Prepared { secret, keys, target, pages, .. } = prepared;
        let failed = |error: std::io::Error| StartError::Failed(format!("could not start: {error}"));
        let metrics = Metrics::default();
        let database = Database::start(settings, target, &metrics).map_err(failed)?;
        Ok(Self {
            updates: Lane::start(&database).map_err(failed)?,
            reads: Lane::start(&database).map_err(failed)?,
            database,
            tokens: Arc::new(AccessTokens::new(&settings.auth, keys)),
            refresh_tokens: RefreshTokens::new(&secret).map_err(|error| StartError::Failed(error.to_string()))?,
            link_tokens: LinkTokens::new(&secret).map_err(|error| StartError::Failed(error.to_string()))?,
            cookies: SessionCookies::new(&secret).map_err(|error| StartError::Failed(error.to_string()))?,
            pages: pages.map(web::Data::new),
            sends_mail: settings.sends_mail(),
            email_rule: settings.auth.email_change,
            mail_folder: settings.mail.files().map(Into::into),
            lifetimes: Lifetimes::from(&settings.auth),
            sign_in_rules: SignInRules::from(&settings.auth),
            passwords: Passwords::start(&settings.auth, &metrics).map_err(failed)?,
            throttle: Arc::new(Throttle::new(&settings.throttle, &metrics)),
            metrics,
        })
    }

    /// Returns the client of a request, for the history and for mails.
    ///
    /// # Errors
    /// The client's address is unknown.
    pub(crate) fn caller(&self, request: &HttpRequest) -> Result<Caller, Problem> {
        Ok(self.caller_in(self.throttle.client(request)?.network(), request))
    }

    /// Returns the client of a request whose network is known.
    pub(crate) fn caller_in(&self, network: ClientNetwork, request: &HttpRequest) -> Caller {
        let caller = Caller::client(network, request);
        if self.sends_mail { caller.with_mail(Language::of(request)) } else { caller }
    }
}
