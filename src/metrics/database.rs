//! Metrics of the database, recorded by the threads that use it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::families::Counters;
use super::open::Open;

/// The database metrics.
#[derive(Clone)]
pub(crate) struct Database {
    up: Gauge,
    connections: Gauge,
    /// Failed attempts.
    pub(crate) errors: Errors,
    /// Retries.
    pub(crate) retries: Retries,
}

/// Failed attempts by kind. See [`crate::db::DbError`].
#[derive(Clone)]
pub(crate) struct Errors {
    pub(crate) busy: Counter,
    pub(crate) contention: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) unwritable: Counter,
    pub(crate) stale_statement: Counter,
    pub(crate) commit_lost: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) internal: Counter,
}

/// Retries by reason.
#[derive(Clone)]
pub(crate) struct Retries {
    /// Another transaction held a lock.
    pub(crate) busy: Counter,
    /// Another transaction conflicted.
    pub(crate) contention: Counter,
    /// The connection broke, and the work only read or was not committed.
    pub(crate) connection_lost: Counter,
    /// A batch failed, and its requests ran one by one.
    pub(crate) batch: Counter,
}

impl Database {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (errors, retries) = (Counters::<1>::default(), Counters::<1>::default());
        registry.register("database_errors", "Attempts that failed, by kind", errors.clone());
        registry.register("database_retries", "Work that was retried, by reason", retries.clone());
        let error = |kind| errors.get_or_create_owned(&[("kind", kind)]);
        let retry = |reason| retries.get_or_create_owned(&[("reason", reason)]);
        let database = Self {
            up: Gauge::default(),
            connections: Gauge::default(),
            errors: Errors {
                busy: error("busy"),
                contention: error("contention"),
                unavailable: error("unavailable"),
                unwritable: error("unwritable"),
                stale_statement: error("stale_statement"),
                commit_lost: error("commit_lost"),
                timed_out: error("timed_out"),
                internal: error("internal"),
            },
            retries: Retries {
                busy: retry("busy"),
                contention: retry("contention"),
                connection_lost: retry("connection_lost"),
                batch: retry("batch"),
            },
        };
        registry.register("database_up", "Whether the database responded to the last attempt", database.up.clone());
        registry.register("database_connections", "Open connections to the database", database.connections.clone());
        database
    }

    /// Counts a connection as open until the returned value is dropped.
    pub(crate) fn connection(&self) -> Open {
        Open::new(&self.connections)
    }

    /// Records whether the database responded.
    pub(crate) fn record_up(&self, up: bool) {
        self.up.set(i64::from(up));
    }
}
