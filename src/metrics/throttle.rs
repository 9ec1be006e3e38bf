//! Requests that were told 429 by the throttle.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::families::Counters;

/// All actions.
#[derive(Clone)]
pub(crate) struct Throttle(Counters<2>);

impl Throttle {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let throttled = Counters::default();
        registry.register("throttled", "Requests beyond a quota, by action and whose quota", throttled.clone());
        Self(throttled)
    }

    /// The counters of one action.
    pub(crate) fn action(&self, name: &'static str) -> Throttled {
        let quota = |whose| self.0.get_or_create_owned(&[("action", name), ("quota", whose)]);
        Throttled { address: quota("address"), account: quota("account") }
    }
}

/// One action.
#[derive(Clone)]
pub(crate) struct Throttled {
    /// Beyond the quota of the client's address.
    pub(crate) address: Counter,
    /// Beyond the quota of the account, or of the client's network for it.
    pub(crate) account: Counter,
}
