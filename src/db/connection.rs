//! Connections to either database.

use std::path::Path;
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::{Connection as _, ConnectionResult, MultiConnection, PgConnection, QueryResult, SqliteConnection};

use super::error::LOCKED;
use crate::settings::{PostgresUrl, Session, Target};

/// A connection to the database that the scheme of the URL selects.
#[derive(MultiConnection)]
pub enum DbConnection {
    /// SQLite, compiled in.
    Sqlite(SqliteConnection),
    /// PostgreSQL, or another database with the same protocol.
    Postgres(PgConnection),
}

impl Target {
    /// Opens a connection with the settings that every connection needs.
    ///
    /// # Errors
    /// Returns the database's error. The text of libpq may name the host, but never the password.
    pub fn connect(&self, connect_timeout: Duration, statement_timeout: Duration) -> ConnectionResult<DbConnection> {
        match self {
            Self::Sqlite(path) => open_sqlite(path, statement_timeout).map(DbConnection::Sqlite),
            Self::Postgres(url, session) => {
                let mut connection = establish(url, connect_timeout, statement_timeout)?;
                match session {
                    Session::Direct => set_up(&mut connection, statement_timeout)
                        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?,
                    // Sends each statement unnamed, together with its parameters.
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
    // Set busy_timeout first, because the other pragmas take locks. `synchronous=FULL` makes each commit durable, and
    // `secure_delete` overwrites deleted data (docs/decisions/0002).
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

/// Switches the file to WAL mode, and retries if another process does the same. SQLite does not apply the busy timeout
/// here, because two processes that wait for each other would deadlock.
fn switch_to_wal(connection: &mut SqliteConnection, timeout: Duration) -> QueryResult<()> {
    let started = Instant::now();
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(Error::DatabaseError(_, text)) if text.message().contains(LOCKED) && started.elapsed() < timeout => {
                std::thread::sleep(Duration::from_millis(rand::random_range(1..=20)));
            }
            outcome => return outcome,
        }
    }
}

/// Creates a folder with mode 0700, because it will hold personal data or a secret.
pub(crate) fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Creates the file with mode 0600 if it is missing. SQLite gives the `-wal` and `-shm` files the same mode.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Connects without changing the session, except for the encoding and time zone that Diesel sets and poolers track.
pub(super) fn establish(url: &PostgresUrl, connect: Duration, statement: Duration) -> ConnectionResult<PgConnection> {
    // If the host drops packets, the kernel's default time-out would block a thread for two hours. Keep-alive covers a
    // missing response, and the user timeout a missing acknowledgement.
    PgConnection::establish(&url.connection_string(&[
        ("connect_timeout", connect.as_secs().max(2).to_string()),
        ("keepalives_idle", "5".to_owned()),
        ("keepalives_interval", "2".to_owned()),
        ("keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", statement.as_millis().to_string()),
        ("application_name", "clientele".to_owned()),
    ]))
}

/// Asks for English messages, because errors are recognized by their messages. A role that may not set them gets an
/// error, which is caught here so that it does not appear in PostgreSQL's log.
const IN_ENGLISH: &str = "DO $$ BEGIN SET lc_messages = 'C'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";

/// Applies the settings of every connection in a direct session.
pub(super) fn set_up(connection: &mut PgConnection, statement: Duration) -> QueryResult<()> {
    connection.batch_execute(&format!(
        "SET statement_timeout = {0}; SET idle_in_transaction_session_timeout = {0}; SET client_min_messages = warning",
        statement.as_millis()
    ))?;
    // Another database with PostgreSQL's protocol may not support `DO` blocks or `lc_messages`.
    connection.batch_execute(IN_ENGLISH).or_else(|error| match error {
        Error::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => Err(error),
        _ => Ok(()),
    })
}
