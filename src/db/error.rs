//! What a database can answer, sorted into the outcomes that the rest of the service knows.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};

use super::messages::{self, Condition};
use crate::threads::Rejected;

/// The result of work on the database.
pub type DbResult<T> = Result<T, DbError>;

/// Why work on the database did not come to an end. The texts are for the log, never for a client.
#[derive(Clone, Debug)]
pub enum DbError {
    /// A unique index refused the row. Becomes 409, or a new try.
    Unique(Constraint),
    /// Another transaction conflicted (40001, 40P01): the same work may succeed now.
    Contention(String),
    /// Another transaction holds a lock (55P03, SQLite busy). Tried again for a while, then 503 `overloaded`.
    Busy,
    /// No connection could be had, or it broke before a commit was asked for. Becomes 503 `database_unavailable`.
    Unavailable(String),
    /// The database takes no changes: it is read-only, or has no room. Becomes 503 `database_unavailable`.
    Unwritable(String),
    /// The connection broke while a commit was under way: nobody knows whether it was done, so it must not be repeated.
    /// Becomes 503 `database_unavailable`.
    CommitLost(String),
    /// The database took too long. Becomes 503 `database_unavailable`.
    TimedOut(String),
    /// A prepared statement fits the database no more: its tables were altered. The transaction has changed nothing; the
    /// same works on another connection.
    StaleStatement(String),
    /// All places of a queue are taken, or the work had not begun in time. Becomes 503 `overloaded`.
    Overloaded,
    /// The customer has its share of the places. Becomes 429.
    ShareTaken,
    /// A defect of ours. Becomes 500.
    Internal(String),
}

/// The unique index that refused a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The canonical email is somebody else's.
    Email,
    /// The slug was taken in between.
    Slug,
    /// The primary key of a customer exists.
    CustomerId,
    /// Any other.
    Other,
}

impl From<Rejected> for DbError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Full | Rejected::Late => Self::Overloaded,
            Rejected::ShareTaken => Self::ShareTaken,
            Rejected::Stuck => Self::TimedOut("the database did not answer in time".into()),
            Rejected::Dropped => Self::Unavailable("a database thread ended without a reply".into()),
        }
    }
}

impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        match error {
            Error::DatabaseError(kind, information) => from_database(kind, information.as_ref()),
            Error::BrokenTransactionManager => Self::Unavailable(error.to_string()),
            Error::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            other => Self::Internal(other.to_string()),
        }
    }
}

fn from_database(kind: DatabaseErrorKind, information: &(dyn DatabaseErrorInformation + Send + Sync)) -> DbError {
    let message = information.message();
    match kind {
        DatabaseErrorKind::UniqueViolation => DbError::Unique(constraint(information)),
        DatabaseErrorKind::SerializationFailure => DbError::Contention(message.to_owned()),
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
            DbError::Unavailable(message.to_owned())
        }
        DatabaseErrorKind::ReadOnlyTransaction => DbError::Unwritable(message.to_owned()),
        _ => from_message(message),
    }
}

/// What Diesel has no kind for is known by its text. PostgreSQL closes the connection with what is not in this table and no
/// defect of ours, such as a shutdown (57P01), and for a closed connection there is a kind.
fn from_message(message: &str) -> DbError {
    match messages::condition(message) {
        Some(Condition::LockTimeout) => DbError::Busy,
        Some(Condition::Cancelled) => DbError::TimedOut(message.to_owned()),
        Some(Condition::Deadlock) => DbError::Contention(message.to_owned()),
        Some(Condition::StaleStatement) => DbError::StaleStatement(message.to_owned()),
        Some(Condition::DiskFull) => DbError::Unwritable(message.to_owned()),
        Some(Condition::Exhausted) => DbError::Unavailable(message.to_owned()),
        None if BUSY.iter().any(|text| message.contains(text)) => DbError::Busy,
        None if UNWRITABLE.iter().any(|text| message.contains(text)) => DbError::Unwritable(message.to_owned()),
        None if UNAVAILABLE.iter().any(|text| message.contains(text)) => DbError::Unavailable(message.to_owned()),
        // The message may quote a row: the detail line does (PostgreSQL puts it there), the message does not.
        None => DbError::Internal(message.to_owned()),
    }
}

/// SQLITE_BUSY and SQLITE_LOCKED.
const BUSY: [&str; 2] = [LOCKED, "database table is locked"];
/// SQLITE_BUSY.
pub(super) const LOCKED: &str = "database is locked";

/// SQLITE_FULL, SQLITE_READONLY.
const UNWRITABLE: [&str; 2] = ["database or disk is full", "attempt to write a readonly database"];
/// SQLite, on a disk that is gone.
const UNAVAILABLE: [&str; 2] = ["disk I/O error", "unable to open database file"];

/// Reads both forms: PostgreSQL names the index, SQLite the columns ("UNIQUE constraint failed: customers.slug").
fn constraint(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Constraint {
    let name = information.constraint_name().unwrap_or_else(|| information.message());
    match name {
        _ if name.contains("email_canonical") => Constraint::Email,
        _ if name.contains("customers_slug") || name.contains("customers.slug") => Constraint::Slug,
        _ if name.contains("customers_pkey") || name.contains("customers.id") => Constraint::CustomerId,
        _ => Constraint::Other,
    }
}

/// For the log and for operators; no client sees it.
impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(text) => write!(f, "database unavailable: {text}"),
            Self::Unwritable(text) => write!(f, "the database takes no changes: {text}"),
            Self::Internal(text) => write!(f, "internal: {text}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl std::error::Error for DbError {}
