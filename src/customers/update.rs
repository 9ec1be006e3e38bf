//! The update of a customer: one statement for one request or for a whole batch.
//!
//! [`plan`] says what becomes of each row, in SQL that both databases read: it merges what was sent with what is
//! stored, compares, and decides the outcome and the slug. PostgreSQL carries the plan out in the same statement
//! (data-modifying common table expressions); SQLite, which has none, in the same immediate transaction.
//! The rule that a version is never read and then compared holds on both: PostgreSQL's `UPDATE` checks again that
//! the row is still the planned version, and a row that moved is planned anew; SQLite's transaction admits no other.

mod plan;
mod postgres;
mod sqlite;

use super::change::Change;
use super::model::Versioned;
use crate::db::{Batch, Constraint, DbConnection, DbError, DbResult};
use crate::guard::OwnedCustomer;

/// One request to change a customer.
pub struct Update {
    /// Whose; the proof that the principal may.
    pub customer: OwnedCustomer,
    /// What.
    pub change: Change,
    /// The versions that `If-Match` allows; `None` allows any.
    pub expected: Option<Vec<i64>>,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// Applied or, where nothing differed, found so already.
    Done {
        /// As it is now.
        versioned: Box<Versioned>,
        /// Whether another email was stored.
        email_changed: bool,
    },
    /// There is no such customer.
    Missing,
    /// The token's session is over.
    SessionEnded,
    /// The address would lack these members.
    AddressIncomplete(Vec<&'static str>),
    /// Another version is stored.
    VersionMismatch,
    /// The email is another customer's.
    EmailTaken,
}

/// The batch of updates; see [`crate::db::Lane`].
pub struct Updates;

impl Batch for Updates {
    type Member = Update;
    type Outcome = Outcome;

    const NAME: &'static str = "updates";
    const WRITES: bool = true;

    fn key(update: &Update) -> Option<i64> {
        Some(update.customer.id().get())
    }

    /// Setting the same values twice is setting them once; a version check would fail the second time.
    fn repeatable(update: &Update) -> bool {
        update.expected.is_none()
    }

    fn apply(connection: &mut DbConnection, updates: &[Update]) -> DbResult<Vec<DbResult<Outcome>>> {
        match connection {
            DbConnection::Postgres(postgres) => postgres::apply(postgres, updates),
            DbConnection::Sqlite(sqlite) => sqlite::apply(sqlite, updates),
        }
    }
}

fn conflict(constraint: Constraint) -> DbResult<Outcome> {
    match constraint {
        Constraint::Email => Ok(Outcome::EmailTaken),
        // Taken between the look and the write, or a suffix drawn twice: planned anew, with another suffix.
        Constraint::Slug => Err(DbError::Contention("the slug was taken".into())),
        other => Err(DbError::Unique(other)),
    }
}
