//! Access to SQLite and PostgreSQL.
//!
//! `connection` opens a connection, `pool` limits how many are open, and `thread_connection` keeps one for each thread.
//! `executor` runs single jobs off the event loop, and `lane` runs batches. `error` classifies database errors, with
//! the translated messages in `messages`.

mod backup;
mod checkpoint;
mod connection;
mod counts;
mod error;
mod executor;
mod lane;
mod messages;
mod migrations;
mod pool;
mod readiness;
mod session;
mod sqlite_file;
pub(crate) mod statement;
mod thread_connection;
mod timestamp;
mod transaction;
mod write_lock;

pub(crate) use backup::back_up;
pub use connection::DbConnection;
pub(crate) use connection::create_private_folder;
pub use error::{Constraint, DbError, DbResult};
pub use executor::Database;
pub use lane::{Batch, Lane};
pub use migrations::{MigrationState, MigrationStatus, migrate, pending_migrations, revert_last, statuses};
pub use session::foreign_messages;
pub(crate) use sqlite_file::check_writable;
pub use timestamp::UtcMicros;
pub(crate) use transaction::in_transaction;

/// Runs an expression on the concrete connection inside a [`DbConnection`], for statements that `MultiConnection`
/// cannot express.
macro_rules! on_backend {
    ($connection:expr, $concrete:ident => $body:expr) => {
        match $connection {
            $crate::db::DbConnection::Sqlite($concrete) => $body,
            $crate::db::DbConnection::Postgres($concrete) => $body,
        }
    };
}
pub(crate) use on_backend;
