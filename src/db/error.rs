//! Database errors, classified into the outcomes that the rest of the service handles.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};

use super::messages::{self, Condition};
use crate::threads::Rejected;

/// The result of database work.
pub type DbResult<T> = Result<T, DbError>;

/// Why database work failed. The texts are for the log and must not be sent to clients.
#[derive(Clone, Debug)]
pub enum DbError {
    /// The row violates a unique index. Becomes 409, or is retried.
    Unique(Constraint),
    /// Another transaction conflicted (40001, 40P01). A retry may succeed.
    Contention(String),
    /// Another transaction holds a lock (55P03, SQLite busy). Retried for a while, then becomes 503 `overloaded`.
    Busy,
    /// No connection was available, or it broke before the commit was sent. Becomes 503 `database_unavailable`.
    Unavailable(String),
    /// The database is read-only or its disk is full. Becomes 503 `database_unavailable`.
    Unwritable(String),
    /// The connection broke during the commit. The change may have been applied, so it must not be retried. Becomes 503
    /// `database_unavailable`.
    CommitLost(String),
    /// The database took too long. Becomes 503 `database_unavailable`.
    TimedOut(String),
    /// A prepared statement no longer matches its tables, because they were altered. The transaction has changed
    /// nothing, and the work succeeds on a new connection.
    StaleStatement(String),
    /// The queue is full, or the work did not begin in time. Becomes 503 `overloaded`.
    Overloaded,
    /// The customer's share of the queue is full. Becomes 429.
    ShareTaken,
    /// A defect in this service. Becomes 500.
    Internal(String),
}

/// The unique index that a row violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Another customer has the same canonical email.
    Email,
    /// Another customer took the slug in the meantime.
    Slug,
    /// A customer with the same id exists.
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

/// Recognizes by their messages the errors that Diesel has no kind for. Other external causes, such as a shutdown
/// (57P01), close the connection, and for that Diesel has a kind. The rest are defects in this service.
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
        // Safe to log: PostgreSQL quotes rows in the detail line, not in the message.
        None => DbError::Internal(message.to_owned()),
    }
}

/// SQLITE_BUSY and SQLITE_LOCKED.
const BUSY: [&str; 2] = [LOCKED, "database table is locked"];
/// SQLITE_BUSY.
pub(super) const LOCKED: &str = "database is locked";

/// SQLITE_FULL, SQLITE_READONLY.
const UNWRITABLE: [&str; 2] = ["database or disk is full", "attempt to write a readonly database"];
/// SQLite, on a disk that is no longer available.
const UNAVAILABLE: [&str; 2] = ["disk I/O error", "unable to open database file"];

/// Returns the violated constraint. PostgreSQL names the index, SQLite the columns ("UNIQUE constraint failed:
/// customers.slug").
fn constraint(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Constraint {
    let name = information.constraint_name().unwrap_or_else(|| information.message());
    match name {
        _ if name.contains("email_canonical") => Constraint::Email,
        _ if name.contains("customers_slug") || name.contains("customers.slug") => Constraint::Slug,
        _ if name.contains("customers_pkey") || name.contains("customers.id") => Constraint::CustomerId,
        _ => Constraint::Other,
    }
}

/// For the log and for operators, not for clients.
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
