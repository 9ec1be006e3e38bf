//! A connection to either database.

use std::path::Path;
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::{Connection as _, ConnectionResult, MultiConnection, PgConnection, QueryResult, SqliteConnection};

use super::error::LOCKED;
use crate::settings::{PostgresUrl, Session, Target};

/// A connection to the database that the URL's scheme chose.
#[derive(MultiConnection)]
pub enum DbConnection {
    /// SQLite, compiled in.
    Sqlite(SqliteConnection),
    /// PostgreSQL, or what speaks its protocol.
    Postgres(PgConnection),
}

impl Target {
    /// Opens a connection and sets what every connection of ours needs.
    ///
    /// # Errors
    /// Whatever the database said; libpq's text may name the host, never the password.
    pub fn connect(&self, connect_timeout: Duration, statement_timeout: Duration) -> ConnectionResult<DbConnection> {
        match self {
            Self::Sqlite(path) => open_sqlite(path, statement_timeout).map(DbConnection::Sqlite),
            Self::Postgres(url, session) => {
                let mut connection = establish(url, connect_timeout, statement_timeout)?;
                match session {
                    Session::Direct => set_up(&mut connection, statement_timeout)
                        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?,
                    // Then each statement is sent with its parameters, in one message, and has no name.
                    Session::Pooled => connection.set_prepared_statement_cache_size(CacheSize::Disabled),
                }
                Ok(DbConnection::Postgres(connection))
            }
        }
    }
}

fn open_sqlite(path: &Path, busy_timeout: Duration) -> ConnectionResult<SqliteConnection> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    folder
        .map_or(Ok(()), create_private_folder)
        .and_then(|()| create_private_file(path))
        .map_err(|error| diesel::ConnectionError::BadConnection(format!("{}: {error}", path.display())))?;
    let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
    // busy_timeout first: what follows needs locks itself. `synchronous=FULL` makes a commit durable; `secure_delete`
    // overwrites what is erased (docs/decisions/0002).
    let milliseconds = busy_timeout.as_millis();
    connection
        .batch_execute(&format!("PRAGMA busy_timeout = {milliseconds}"))
        .and_then(|()| switch_to_wal(&mut connection, busy_timeout))
        .and_then(|()| {
            connection.batch_execute(
                "PRAGMA synchronous = FULL;
                 PRAGMA foreign_keys = ON;
                 PRAGMA secure_delete = ON;",
            )
        })
        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The mode of a new file changes under a lock that the busy timeout does not wait for where another process is at the
/// same step: of two that waited for each other neither would get on.
fn switch_to_wal(connection: &mut SqliteConnection, patience: Duration) -> QueryResult<()> {
    let started = Instant::now();
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(Error::DatabaseError(_, text)) if text.message().contains(LOCKED) && started.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(rand::random_range(1..=20)));
            }
            outcome => return outcome,
        }
    }
}

/// Makes the folder so that only its owner can look into it: it will hold personal data or a secret.
pub(crate) fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the file, when it is missing, so that only its owner can read it; SQLite gives its companions the same mode.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Connects, and leaves nothing in the session but what Diesel sets, which poolers know of: encoding and time zone.
pub(super) fn establish(url: &PostgresUrl, connect: Duration, statement: Duration) -> ConnectionResult<PgConnection> {
    // A host that swallows packets must not hold a thread for the kernel's two hours, whether it owes an answer
    // (keep-alive) or an acknowledgement (user timeout).
    PgConnection::establish(&url.connection_string(&[
        ("connect_timeout", connect.as_secs().max(2).to_string()),
        ("keepalives_idle", "5".to_owned()),
        ("keepalives_interval", "2".to_owned()),
        ("keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", statement.as_millis().to_string()),
        ("application_name", "clientele".to_owned()),
    ]))
}

/// Messages in English, where the role may say so: errors are told apart by them. PostgreSQL's log would keep a refusal, but
/// not one that is caught.
const IN_ENGLISH: &str = "DO $$ BEGIN SET lc_messages = 'C'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";

/// What every connection of a direct session is told.
pub(super) fn set_up(connection: &mut PgConnection, statement: Duration) -> QueryResult<()> {
    connection.batch_execute(&format!(
        "SET statement_timeout = {0}; SET idle_in_transaction_session_timeout = {0}; SET client_min_messages = warning",
        statement.as_millis()
    ))?;
    // What speaks PostgreSQL's protocol need not have its languages.
    connection.batch_execute(IN_ENGLISH).or_else(|error| match error {
        Error::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => Err(error),
        _ => Ok(()),
    })
}
