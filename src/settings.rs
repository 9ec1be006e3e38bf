//! Typed settings: `config/default.toml`, overlaid by a file, overlaid by variables; validated once.
//!
//! The compiled-in defaults double as the list of known keys and of their types, so a key cannot exist
//! without a documented default, and an unknown one is an error that names its nearest neighbour.

mod layers;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::db::Target;

/// The documented defaults, as shipped.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Why settings were refused: one line that names the place and the key.
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

/// Text that never appears in logs, `Debug` or `config show`.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "[redacted]" })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "[redacted]" })
    }
}

/// All settings, by section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[database]`
    pub database: Database,
    /// `[auth]`
    pub auth: Auth,
    /// `[throttle]`
    pub throttle: Throttle,
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
    /// HTTP threads; 0 for one fewer than cores, and at least one.
    pub workers: usize,
    /// Open connections at once.
    pub max_connections: usize,
    /// Idle keep-alive, in seconds.
    pub keep_alive_seconds: u64,
    /// Time for a request's head, in seconds.
    pub head_timeout_seconds: u64,
    /// Time for a request's body, in seconds.
    pub body_timeout_seconds: u64,
    /// Time for requests in flight after SIGTERM or SIGINT, in seconds.
    pub shutdown_timeout_seconds: u64,
}

/// Names the value, which the standard library's message does not.
fn socket_address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = "an address and a port such as 127.0.0.1:8080";
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is not {expected}")))
}

/// `[database]`: where the data is and how it is reached.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://…` or `postgres://…`.
    pub url: DatabaseUrl,
    /// Apply pending migrations at the start.
    pub migrate_at_start: bool,
    /// Threads of the general lane; 0 adapts to the cores.
    pub threads: usize,
    /// Requests that may wait in each lane.
    pub queue: usize,
    /// Seconds to wait for a connection.
    pub connect_timeout_seconds: u64,
    /// Seconds one statement may take.
    pub statement_timeout_seconds: u64,
}

impl Database {
    /// The time to wait for a connection.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }
}

/// A database URL whose password is not shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL as it may be shown: what is, or might hide, a password is replaced.
    pub fn redacted(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return "[redacted]".into();
        };
        let (base, query) = rest.split_once('?').map_or((rest, None), |(base, query)| (base, Some(query)));
        // A password may itself hold an @: the last one ends it.
        let base = match base.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
            Some((Some((user, _)), host)) => format!("{user}:[redacted]@{host}"),
            _ => base.to_owned(),
        };
        let query = match query {
            Some(query) if query.contains('%') || query.contains("pass") => "?[redacted]".to_owned(),
            Some(query) => format!("?{query}"),
            None => String::new(),
        };
        format!("{scheme}://{base}{query}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

/// `[auth]`: how access tokens are signed and verified.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The pinned algorithm.
    pub algorithm: Algorithm,
    /// The signing secret, when given directly.
    pub secret: Secret,
    /// The file that holds it otherwise.
    pub secret_file: PathBuf,
    /// Make that file when it is missing.
    pub generate_secret: bool,
    /// `iss`, when not empty.
    pub issuer: String,
    /// `aud`, when not empty.
    pub audience: String,
    /// Life time of an access token, in seconds.
    pub access_token_seconds: u64,
    /// The private key of EdDSA.
    pub key_file: PathBuf,
    /// Further keys whose tokens are accepted.
    pub verification_key_files: Vec<PathBuf>,
    /// A session that rested longer is over, in seconds.
    pub session_idle_seconds: u64,
    /// A session that is older is over, in seconds.
    pub session_absolute_seconds: u64,
    /// Threads that hash passwords; 0 for one a core.
    pub password_threads: usize,
    /// Passwords that may wait to be hashed.
    pub password_queue: usize,
}

/// `[throttle]`: what one client address and one account may try.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Whether anything is throttled.
    pub enabled: bool,
    /// Tries at once from one address.
    pub address_burst: u32,
    /// Tries a minute from one address.
    pub address_per_minute: u32,
    /// Tries at once for one account.
    pub account_burst: u32,
    /// Tries a minute for one account.
    pub account_per_minute: u32,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

/// A network or a single address.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
pub struct Network(pub ipnet::IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
        address.or_else(|_| text.parse()).map(Self).map_err(|_| {
            serde::de::Error::custom(format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
        })
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

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// An env_logger filter.
    pub filter: String,
    /// Text or JSON lines.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Layers the defaults, then `file`, then `variables` (`CLIENTELE__…` and `DATABASE_URL`; others are ignored).
    ///
    /// # Errors
    /// A file that cannot be read or parsed, an unknown key, or a value that is out of its range.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut merged: Table =
            DEFAULTS.parse().map_err(|error| SettingsError::new(format!("config/default.toml: {error}")))?;
        if let Some(path) = file {
            layers::overlay_file(&mut merged, path)?;
        }
        for (name, value) in variables {
            layers::overlay_variable(&mut merged, &name, &value)?;
        }
        let settings: Self = Value::Table(merged)
            .try_into()
            .map_err(|error: toml::de::Error| SettingsError::new(error.to_string().trim().replace('\n', " ")))?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        let positive = [
            ("server.max_connections", self.server.max_connections as u64),
            ("server.head_timeout_seconds", self.server.head_timeout_seconds),
            ("server.body_timeout_seconds", self.server.body_timeout_seconds),
            ("database.queue", self.database.queue as u64),
            ("database.connect_timeout_seconds", self.database.connect_timeout_seconds),
            ("database.statement_timeout_seconds", self.database.statement_timeout_seconds),
            ("auth.access_token_seconds", self.auth.access_token_seconds),
            ("auth.session_idle_seconds", self.auth.session_idle_seconds),
            ("auth.session_absolute_seconds", self.auth.session_absolute_seconds),
            ("auth.password_queue", self.auth.password_queue as u64),
            ("throttle.address_burst", self.throttle.address_burst.into()),
            ("throttle.address_per_minute", self.throttle.address_per_minute.into()),
            ("throttle.account_burst", self.throttle.account_burst.into()),
            ("throttle.account_per_minute", self.throttle.account_per_minute.into()),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError::new(format!("{key} must be at least 1")));
        }
        for (key, value, most) in [
            ("server.workers", self.server.workers, 1024),
            ("database.threads", self.database.threads, 256),
            ("database.queue", self.database.queue, 1_000_000),
            ("auth.password_threads", self.auth.password_threads, 256),
            ("auth.password_queue", self.auth.password_queue, 100_000),
        ] {
            if value > most {
                return Err(SettingsError::new(format!("{key} must be at most {most}")));
            }
        }
        // Beyond a century a date can no longer be computed with.
        for (key, seconds) in [
            ("auth.access_token_seconds", self.auth.access_token_seconds),
            ("auth.session_idle_seconds", self.auth.session_idle_seconds),
            ("auth.session_absolute_seconds", self.auth.session_absolute_seconds),
        ] {
            if seconds > 3_000_000_000 {
                return Err(SettingsError::new(format!("{key} must be at most 3000000000")));
            }
        }
        if self.auth.algorithm == Algorithm::EdDSA && self.auth.key_file.as_os_str().is_empty() {
            return Err(SettingsError::new(
                "auth.algorithm = \"EdDSA\" needs auth.key_file: see `clientele keys generate`",
            ));
        }
        self.target()?;
        Ok(())
    }

    /// The database that `database.url` names.
    ///
    /// # Errors
    /// A scheme that is neither SQLite's nor PostgreSQL's, or no path.
    pub fn target(&self) -> Result<Target, SettingsError> {
        Target::parse(self.database.url.expose())
            .map_err(|reason| SettingsError::new(format!("database.url: {reason}")))
    }
}
