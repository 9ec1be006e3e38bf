//! Metrics of mails.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::families::Counters;

/// The metrics of mails.
#[derive(Clone)]
pub(crate) struct Mails {
    /// Sent.
    pub(crate) delivered: Counter,
    /// Attempts after which the mail waits for the next one.
    pub(crate) retried: Counter,
    /// Given up.
    pub(crate) failed: Counter,
    /// Not sent, because that was not necessary any more.
    pub(crate) dropped: Counter,
    /// How many wait to be sent.
    pub(crate) waiting: Gauge,
    /// The age of the oldest that waits.
    pub(crate) oldest_seconds: Gauge,
}

impl Mails {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let mails = Counters::<1>::default();
        registry.register("mails", "Attempts to deliver a mail, by outcome", mails.clone());
        let outcome = |outcome| mails.get_or_create_owned(&[("outcome", outcome)]);
        let mails = Self {
            delivered: outcome("delivered"),
            retried: outcome("retried"),
            failed: outcome("failed"),
            dropped: outcome("dropped"),
            waiting: Gauge::default(),
            oldest_seconds: Gauge::default(),
        };
        registry.register("mails_waiting", "Mails that wait to be delivered", mails.waiting.clone());
        let oldest = mails.oldest_seconds.clone();
        registry.register("mails_oldest_seconds", "Age of the oldest mail that waits to be delivered", oldest);
        mails
    }
}
