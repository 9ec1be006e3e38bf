//! Metrics for Prometheus.
//!
//! [`Metrics`] is created once, at the start. Each part of the service gets the counters that it needs and keeps them,
//! so that no request looks a metric up by name. The service always counts, even if `http::metrics` does not serve the
//! metrics. `docs/operations/metrics.md` lists their names and what to watch.
//!
//! No label contains a value that a client sent, so the number of time series is bounded.

mod database;
mod families;
mod http;
mod mails;
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
pub(crate) use self::mails::Mails;
pub(crate) use self::open::Open;
pub(crate) use self::queues::{Queue, Queues, Waiting};
pub(crate) use self::sessions::Sessions;
pub(crate) use self::throttle::{Throttle, Throttled};

/// All metrics. Cheap to clone. Clones share their values.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) http: Http,
    pub(crate) queues: Queues,
    pub(crate) database: Database,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
    pub(crate) mails: Mails,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        process::register(&mut registry);
        let own = registry.sub_registry_with_prefix("clientele");
        own.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Self {
            http: Http::register(own),
            queues: Queues::register(own),
            database: Database::register(own),
            sessions: Sessions::register(own),
            throttle: Throttle::register(own),
            mails: Mails::register(own),
            registry: Arc::new(registry),
        }
    }
}

impl Metrics {
    /// Returns the current values in Prometheus's text format.
    ///
    /// # Errors
    /// Returns an error if a value cannot be formatted.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
