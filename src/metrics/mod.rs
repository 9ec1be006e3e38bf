//! What the service counts about itself, for Prometheus.
//!
//! [`Metrics`] is made once, at the start. Each part of the service is handed the counters that it needs and keeps them:
//! on the way of a request no metric is looked up by its name. Counting goes on whether or not anybody reads it, which
//! `http::metrics` lets Prometheus do. The names and what to watch are in `docs/operations/metrics.md`.
//!
//! No label holds what a client sent, so the number of time series is bounded.

mod database;
mod families;
mod http;
mod open;
mod process;
mod queues;
mod sessions;
mod throttle;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub(crate) use self::database::Database;
pub(crate) use self::http::{Http, Route, UNMATCHED};
pub(crate) use self::open::Open;
pub(crate) use self::queues::{Queue, Queues, Waiting};
pub(crate) use self::sessions::Sessions;
pub(crate) use self::throttle::{Throttle, Throttled};

/// All that is counted. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) http: Http,
    pub(crate) queues: Queues,
    pub(crate) database: Database,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        process::register(&mut registry);
        let own = registry.sub_registry_with_prefix("clientele");
        own.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Self {
            http: Http::register(own),
            queues: Queues::register(own),
            database: Database::register(own),
            sessions: Sessions::register(own),
            throttle: Throttle::register(own),
            registry: Arc::new(registry),
        }
    }
}

impl Metrics {
    /// The present values in Prometheus's text format.
    ///
    /// # Errors
    /// A value could not be formatted.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
