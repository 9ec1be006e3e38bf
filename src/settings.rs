//! Typed settings: the defaults in `config/default.toml`, then a file, then environment variables. Validated once.
//!
//! The compiled-in defaults are also the list of known keys and types, so every key has a documented default. An
//! unknown key is an error that suggests a similar key, or lists those of its section. No error repeats a value, which
//! may be a secret in the wrong place.

mod base_url;
mod database_url;
mod layers;
mod limits;
mod mail;
mod origin;
mod pages;
mod postgres_url;
mod secret;
mod smtp_url;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use self::base_url::BaseUrl;
pub use self::database_url::{DatabaseUrl, Session, Target};
pub use self::mail::{Mail, Transport};
pub use self::origin::Origin;
pub use self::pages::{Pages, ReturnUrl};
pub use self::postgres_url::PostgresUrl;
pub use self::secret::{Secret, trimmed};
pub use self::smtp_url::{Security, SmtpServer};

/// The documented defaults, as shipped.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Why settings are invalid: one line that names the file or variable, and the key.
#[derive(Debug)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl SettingsError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// All settings, by section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[database]`
    pub database: Database,
    /// `[auth]`
    pub auth: Auth,
    /// `[throttle]`
    pub throttle: Throttle,
    /// `[mail]`
    pub mail: Mail,
    /// `[pages]`
    pub pages: Pages,
    /// `[history]`
    pub history: History,
    /// `[log]`
    pub log: Log,
}

/// `[server]`: the listener and its limits.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on.
    #[serde(deserialize_with = "socket_address")]
    pub bind: SocketAddr,
    /// Where customers reach the service, if it is set.
    #[serde(deserialize_with = "base_url::optional", serialize_with = "base_url::text_or_empty")]
    pub public_url: Option<BaseUrl>,
    /// The origins whose pages may use the API.
    pub cors_origins: Vec<Origin>,
    /// HTTP threads; 0 for one fewer than there are cores, but at least one.
    pub workers: usize,
    /// The most open connections.
    pub max_connections: usize,
    /// How long an idle connection stays open, in seconds.
    pub keep_alive_seconds: u64,
    /// Time for a request's head, in seconds.
    pub head_timeout_seconds: u64,
    /// Time for a request's body, in seconds.
    pub body_timeout_seconds: u64,
    /// Time for requests in flight after SIGTERM or SIGINT, in seconds.
    pub shutdown_timeout_seconds: u64,
}

impl Server {
    /// Returns where customers reach the service, with a slash at the end: `server.public_url`, or else the address on
    /// which it listens.
    pub fn public_url(&self, listening: SocketAddr) -> String {
        let loopback: IpAddr = match listening {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let host = if listening.ip().is_unspecified() { loopback } else { listening.ip() };
        let own = || format!("http://{}/", SocketAddr::new(host, listening.port()));
        self.public_url.as_ref().map_or_else(own, |url| url.as_str().to_owned())
    }
}

/// Parses an address. Its error says what is expected, which the standard library's error does not.
fn socket_address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom("expected an address and a port such as 127.0.0.1:8080"))
}

/// `[metrics]`: where `GET /metrics` is served.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Address and port to listen on; none where the text is empty.
    #[serde(deserialize_with = "optional_socket_address", serialize_with = "text_or_empty")]
    pub bind: Option<SocketAddr>,
}

fn optional_socket_address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = "expected an address and a port such as 127.0.0.1:9100, or nothing";
    (!text.is_empty()).then(|| text.parse()).transpose().map_err(|_| serde::de::Error::custom(expected))
}

fn text_or_empty<S: serde::Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&address.map(|address| address.to_string()).unwrap_or_default())
}

/// `[database]`: where the data is and how it is reached.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://…` or `postgres://…`.
    pub url: DatabaseUrl,
    /// Whose a session of PostgreSQL is.
    pub session: Session,
    /// Apply pending migrations at the start.
    pub migrate_at_start: bool,
    /// Threads for reads, and as many for writes, outside the batches; 0 depends on the number of cores.
    pub threads: usize,
    /// Threads that write batches of updates; SQLite has one.
    pub writers: usize,
    /// Requests that may wait in each queue.
    pub queue: usize,
    /// Seconds a request may wait in a queue before work on it begins.
    pub queue_timeout_seconds: u64,
    /// Seconds to wait for a connection.
    pub connect_timeout_seconds: u64,
    /// Seconds one statement may take.
    pub statement_timeout_seconds: u64,
}

impl Database {
    /// Returns the time to wait for a connection.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    /// The time that one statement may take.
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_timeout_seconds)
    }
}

/// `[auth]`: how access tokens are signed and verified.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The pinned algorithm.
    pub algorithm: Algorithm,
    /// The signing secret, if it is set directly.
    pub secret: Secret,
    /// The file with the secret otherwise.
    pub secret_file: PathBuf,
    /// Generate that file if it is missing.
    pub generate_secret: bool,
    /// The `iss` of tokens, if not empty.
    pub issuer: String,
    /// The `aud` of tokens, if not empty.
    pub audience: String,
    /// Whether PUT and PATCH may replace an email at once.
    pub email_change: EmailRule,
    /// Whether customers must have verified their email to sign in.
    pub verified_email: VerifiedEmail,
    /// Tell customers by mail of a sign-in from a network that was not seen before.
    pub notify_new_networks: bool,
    /// Lifetime of an access token, in seconds.
    pub access_token_seconds: u64,
    /// The private key of EdDSA.
    pub key_file: PathBuf,
    /// Further keys whose tokens are accepted.
    pub verification_key_files: Vec<PathBuf>,
    /// The time without a refresh after which a session ends, in seconds.
    pub session_idle_seconds: u64,
    /// The time after which a session ends in any case, in seconds.
    pub session_absolute_seconds: u64,
    /// Threads that hash passwords; 0 for one per core.
    pub password_threads: usize,
    /// The most passwords that wait to be hashed.
    pub password_queue: usize,
    /// The least time from the start of a password's check to the reply that it is wrong, in milliseconds.
    pub wrong_password_milliseconds: u64,
}

/// `[throttle]`: the quotas of a client address and of an account.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Whether anything is throttled.
    pub enabled: bool,
    /// Attempts in a burst from one address.
    pub address_burst: u32,
    /// Attempts per minute from one address.
    pub address_per_minute: u32,
    /// Attempts in a burst for one account.
    pub account_burst: u32,
    /// Attempts per minute for one account.
    pub account_per_minute: u32,
    /// Mails of a kind in a burst to one mailbox.
    pub mail_burst: u32,
    /// Mails of a kind per hour to one mailbox.
    pub mail_per_hour: u32,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
}

/// `[history]`: the history of accounts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Entries are kept for this many days.
    pub days: u32,
}

/// A network or a single address.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
pub struct Network(pub ipnet::IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
        address
            .or_else(|_| text.parse())
            .map(Self)
            .map_err(|_| serde::de::Error::custom("expected addresses and networks such as 10.0.0.0/8"))
    }
}

/// The algorithms that can be pinned (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// Ed25519 (RFC 8037).
    EdDSA,
}

/// Whether a change of the profile may replace the email at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailRule {
    /// It may. The new email is unverified, and the old one gets a link that reverts the change.
    Immediate,
    /// The new email must be confirmed first, by a link that is mailed to it.
    Confirmed,
}

/// Whether customers must have verified their email to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifiedEmail {
    /// They may sign in without.
    Optional,
    /// They must. A sign-in with the right password mails a new link.
    Required,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// An env_logger filter.
    pub filter: String,
    /// Text or JSON lines.
    pub format: LogFormat,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Settings {
    /// Loads the defaults, then overrides them by `file` and by `variables` (`CLIENTELE__…` and `DATABASE_URL`; others
    /// are ignored).
    ///
    /// # Errors
    /// The file cannot be read or parsed, a key is unknown, two variables set one key differently, or a value is out of
    /// range.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut merged: Table =
            DEFAULTS.parse().map_err(|error| SettingsError::new(format!("config/default.toml: {error}")))?;
        if let Some(path) = file {
            layers::overlay_file(&mut merged, path)?;
        }
        layers::overlay_variables(&mut merged, variables)?;
        limits::check_numbers(&merged)?;
        let settings: Self = Value::Table(merged).try_into().map_err(|error| expected(&error))?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        limits::check_filter("log.filter", &self.log.filter)?;
        limits::check_listeners(self.server.bind, self.metrics.bind)?;
        if self.auth.algorithm == Algorithm::EdDSA && self.auth.key_file.as_os_str().is_empty() {
            return Err(SettingsError::new(
                "auth.algorithm = \"EdDSA\" needs auth.key_file: see `clientele keys generate`",
            ));
        }
        if self.auth.email_change == EmailRule::Confirmed && !self.sends_mail() {
            return Err(SettingsError::new(
                "auth.email_change = \"confirmed\" needs mail: set mail.transport, or \"immediate\"",
            ));
        }
        if self.auth.verified_email == VerifiedEmail::Required && !self.sends_mail() {
            return Err(SettingsError::new(
                "auth.verified_email = \"required\" needs mail: set mail.transport, or \"optional\"",
            ));
        }
        self.target()?;
        Ok(())
    }

    /// Returns whether mail is sent at all.
    pub fn sends_mail(&self) -> bool {
        self.mail.transport != Transport::None
    }

    /// Returns where the links in mails lead, with a slash at the end: `mail.links`, or else the account pages.
    /// `listening` is the address on which the service listens.
    pub fn links(&self, listening: SocketAddr) -> String {
        let pages = || format!("{}account/", self.server.public_url(listening));
        self.mail.links.as_ref().map_or_else(pages, |links| links.as_str().to_owned())
    }

    /// Returns the database that `database.url` names.
    ///
    /// # Errors
    /// The scheme is neither SQLite's nor PostgreSQL's, the path is missing, or the password is not percent-encoded.
    pub fn target(&self) -> Result<Target, SettingsError> {
        let target = self.database.url.target().map(|target| target.with_session(self.database.session));
        target.map_err(|reason| SettingsError::new(format!("database.url: {reason}")))
    }
}

/// Converts an error of serde, without the value. Its message ends with what was expected and with the key.
fn expected(error: &toml::de::Error) -> SettingsError {
    let text = error.to_string();
    let key = text.trim_end().rsplit_once("\nin `").map_or("a key", |(_, key)| key.trim_end_matches('`'));
    let expected = error.message().rsplit_once("expected ").map_or("another value", |(_, expected)| expected);
    SettingsError::new(format!("{key}: expected {expected}"))
}
