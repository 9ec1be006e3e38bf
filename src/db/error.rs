//! What a database can answer, sorted into the outcomes that the rest of the service knows.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};

use crate::threads::Refused;

/// The result of work on the database.
pub type DbResult<T> = Result<T, DbError>;

/// Why work on the database did not come to an end. The texts are for the log, never for a client.
#[derive(Debug)]
pub enum DbError {
    /// A unique index refused the row. Becomes 409, or a new try.
    Unique(Constraint),
    /// Another transaction was in the way (40001, 40P01, SQLite busy): the same work may succeed now.
    Contention(String),
    /// No connection could be had, or it broke. Becomes 503 `database_unavailable`.
    Unavailable(String),
    /// The lane is full. Becomes 503 `overloaded`.
    Overloaded,
    /// The transaction was given up on purpose; whoever gave it up knows what that means.
    RolledBack,
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

impl From<Refused> for DbError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Overloaded,
            Refused::Closed => Self::Unavailable("the service is stopping".into()),
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

/// Whether another transaction was in the way, so that the same work may succeed now.
pub(super) fn is_contention(error: &Error) -> bool {
    match error {
        Error::DatabaseError(kind, information) => {
            matches!(from_database(*kind, information.as_ref()), DbError::Contention(_))
        }
        _ => false,
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
        DatabaseErrorKind::ReadOnlyTransaction => DbError::Unavailable(message.to_owned()),
        _ if CONTENTION.iter().any(|text| message.contains(text)) => DbError::Contention(message.to_owned()),
        _ if UNAVAILABLE.iter().any(|text| message.contains(text)) => DbError::Unavailable(message.to_owned()),
        // The message may quote a row: the detail line does (PostgreSQL puts it there), the message does not.
        _ => DbError::Internal(message.to_owned()),
    }
}

/// Diesel passes no SQLSTATE on, so what it has no kind for is known by its text.
/// 40P01 and 55P03 on PostgreSQL, SQLITE_BUSY and SQLITE_LOCKED.
const CONTENTION: [&str; 4] =
    ["deadlock detected", "due to lock timeout", "database is locked", "database table is locked"];

/// 57P01 to 57P03, 53300, and a disk that is full or gone.
const UNAVAILABLE: [&str; 9] = [
    "terminating connection",
    "the database system is",
    "too many clients",
    "remaining connection slots",
    "canceling statement due to statement timeout",
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
];

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

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unique(constraint) => write!(f, "unique constraint: {constraint:?}"),
            Self::Contention(text) => write!(f, "contention: {text}"),
            Self::Unavailable(text) => write!(f, "database unavailable: {text}"),
            Self::RolledBack => f.write_str("the transaction was given up"),
            Self::Overloaded => f.write_str("the lane to the database is full"),
            Self::Internal(text) => write!(f, "internal: {text}"),
        }
    }
}

impl std::error::Error for DbError {}
