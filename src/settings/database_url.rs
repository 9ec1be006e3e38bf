//! `database.url`: the database system and where the database is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::postgres_url::PostgresUrl;
use super::secret::Secret;

/// A database URL. Its `Debug` and `Serialize` redact the password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(Secret);

impl DatabaseUrl {
    /// Parses the URL.
    ///
    /// # Errors
    /// See [`Target::parse`].
    pub fn target(&self) -> Result<Target, &'static str> {
        Target::parse(self.0.expose())
    }

    fn redacted(&self) -> String {
        match self.target() {
            Ok(Target::Sqlite(_)) => self.0.expose().to_owned(),
            Ok(Target::Postgres(url, _)) => url.redacted,
            Err(_) => "[redacted]".to_owned(),
        }
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

/// `database.session`: who owns a session of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// The connection: settings and prepared statements stay until it ends.
    Direct,
    /// A pooler, which lends it for one transaction: nothing may be left in it.
    Pooled,
}

/// A database system and where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// One or several PostgreSQL servers, and who owns their sessions.
    Postgres(PostgresUrl, Session),
}

impl Target {
    /// Parses a URL like the diesel CLI: `sqlite://PATH`, `postgres://…` or `postgresql://…`.
    ///
    /// # Errors
    /// The scheme is unknown, the path is missing, or the password is not percent-encoded. The reason never repeats the
    /// URL.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        match url.split_once("://") {
            Some(("sqlite", path)) if path.is_empty() || path == ":memory:" => {
                Err("sqlite:// needs the path of a file, such as sqlite://data/clientele.db")
            }
            Some(("sqlite", path)) if path.contains(['?', '#', '%']) => {
                Err("the path of a SQLite file must not contain ?, # or %")
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) => {
                PostgresUrl::parse(rest).map(|url| Self::Postgres(url, Session::Direct))
            }
            _ => Err("must start with sqlite:// or postgres://"),
        }
    }

    /// Returns the same database with sessions of another kind, if it has any.
    pub(super) fn with_session(self, session: Session) -> Self {
        match self {
            Self::Postgres(url, _) => Self::Postgres(url, session),
            sqlite @ Self::Sqlite(_) => sqlite,
        }
    }

    /// Returns the name of the database system, for logs.
    pub fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(..) => "postgresql",
        }
    }

    /// Returns the path of the SQLite file if it does not exist.
    pub fn missing_file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) if !path.exists() => Some(path),
            _ => None,
        }
    }
}
