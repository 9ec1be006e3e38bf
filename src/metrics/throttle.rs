//! Metrics of requests that the throttle rejected with 429.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::families::Counters;

/// The metrics of all actions.
#[derive(Clone)]
pub(crate) struct Throttle(Counters<2>);

impl Throttle {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let throttled = Counters::default();
        registry.register("throttled", "Requests beyond a quota, by action and whose quota", throttled.clone());
        Self(throttled)
    }

    /// Returns the metrics of one action.
    pub(crate) fn action(&self, name: &'static str) -> Throttled {
        let quota = |whose| self.0.get_or_create_owned(&[("action", name), ("quota", whose)]);
        Throttled { address: quota("address"), account: quota("account") }
    }
}

/// The metrics of one action.
#[derive(Clone)]
pub(crate) struct Throttled {
    /// Requests beyond the quota of the client's address.
    pub(crate) address: Counter,
    /// Requests beyond the quota of the account, or of the client's network for that account.
    pub(crate) account: Counter,
}
