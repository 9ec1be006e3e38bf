//! What is open, or under way, at this moment.

use prometheus_client::metrics::gauge::Gauge;

/// Something that counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Open {
    /// Counts one more.
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
