//! `database.url`: which database, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::postgres_url::PostgresUrl;
use super::secret::Secret;

/// A database URL whose password is not shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(Secret);

impl DatabaseUrl {
    /// The database that it names.
    ///
    /// # Errors
    /// See [`Target::parse`].
    pub fn target(&self) -> Result<Target, &'static str> {
        Target::parse(self.0.expose())
    }

    fn shown(&self) -> String {
        match self.target() {
            Ok(Target::Sqlite(_)) => self.0.expose().to_owned(),
            Ok(Target::Postgres(url, _)) => url.shown,
            Err(_) => "[redacted]".to_owned(),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

/// `database.session`: whose a session of PostgreSQL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// It belongs to the connection: settings and prepared statements stay until it ends.
    Direct,
    /// A pooler lends it for one transaction: nothing may be left in it.
    Pooled,
}

/// Which database, and where.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// A server, or several, as libpq reaches them, and whose its sessions are.
    Postgres(PostgresUrl, Session),
}

impl Target {
    /// Reads a URL as the diesel CLI does: `sqlite://PATH`, `postgres://…` or `postgresql://…`.
    ///
    /// # Errors
    /// Another scheme, no path, or a password that is not percent-encoded; the reason never repeats the URL.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        match url.split_once("://") {
            Some(("sqlite", path)) if path.is_empty() || path == ":memory:" => {
                Err("sqlite:// needs the path of a file, such as sqlite://data/clientele.db")
            }
            Some(("sqlite", path)) if path.contains(['?', '#', '%']) => {
                Err("the path of a SQLite file must not hold ?, # or %")
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) => {
                PostgresUrl::parse(rest).map(|url| Self::Postgres(url, Session::Direct))
            }
            _ => Err("must start with sqlite:// or postgres://"),
        }
    }

    /// The same database with sessions of another kind, where it has any.
    pub(super) fn with_session(self, session: Session) -> Self {
        match self {
            Self::Postgres(url, _) => Self::Postgres(url, session),
            sqlite @ Self::Sqlite(_) => sqlite,
        }
    }

    /// The name of the database system, for logs and `health`.
    pub fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(..) => "postgresql",
        }
    }

    /// The file, if the database is one that is not there.
    pub fn missing_file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) if !path.exists() => Some(path),
            _ => None,
        }
    }
}
