//! Metrics of the queues and threads for blocking work: the database's and the password hashing's.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::families::{Counters, Gauges, Histograms, Labels, powers_of_two, seconds};
use super::open::Open;

/// The metrics of all queues.
#[derive(Clone)]
pub(crate) struct Queues {
    depth: Gauges<1>,
    wait: Histograms<1>,
    refusals: Counters<2>,
    busy: Gauges<1>,
    threads: Gauges<1>,
    replaced: Counters<1>,
    batches: Histograms<1>,
}

/// Metrics that are not registered.
impl Default for Queues {
    fn default() -> Self {
        Self {
            depth: Gauges::default(),
            wait: seconds(),
            refusals: Counters::default(),
            busy: Gauges::default(),
            threads: Gauges::default(),
            replaced: Counters::default(),
            batches: powers_of_two(),
        }
    }
}

impl Queues {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let queues = Self::default();
        registry.register("queue_depth", "Work that waits for a thread", queues.depth.clone());
        let wait = "Time that work waited for a thread";
        registry.register_with_unit("queue_wait", wait, Unit::Seconds, queues.wait.clone());
        registry.register("queue_refusals", "Work that was rejected or abandoned, by reason", queues.refusals.clone());
        registry.register("threads_busy", "Busy threads of a queue", queues.busy.clone());
        registry.register("threads", "Threads of a queue", queues.threads.clone());
        registry.register("threads_replaced", "Stuck threads that were replaced", queues.replaced.clone());
        registry.register("batch_size", "Requests that shared a batch", queues.batches.clone());
        queues
    }

    /// Returns the metrics of one queue.
    pub(crate) fn queue(&self, name: &'static str) -> Queue {
        let queue: Labels<1> = [("queue", name)];
        let refusals = |reason| self.refusals.get_or_create_owned(&[("queue", name), ("reason", reason)]);
        Queue {
            depth: self.depth.get_or_create_owned(&queue),
            wait: self.wait.get_or_create_owned(&queue),
            busy: self.busy.get_or_create_owned(&queue),
            threads: self.threads.get_or_create_owned(&queue),
            replaced: self.replaced.get_or_create_owned(&queue),
            full: refusals("full"),
            share_taken: refusals("customer_share"),
            late: refusals("waited_too_long"),
            stuck: refusals("no_outcome"),
            dropped: refusals("dropped"),
            locked: refusals("locked"),
        }
    }

    /// Returns the batch sizes of a lane.
    pub(crate) fn batches(&self, lane: &'static str) -> Histogram {
        self.batches.get_or_create_owned(&[("queue", lane)])
    }
}

/// The metrics of one queue and its threads.
#[derive(Clone)]
pub(crate) struct Queue {
    depth: Gauge,
    wait: Histogram,
    /// Busy threads.
    pub(crate) busy: Gauge,
    /// Threads that were started and not replaced.
    pub(crate) threads: Gauge,
    /// Threads that were replaced.
    pub(crate) replaced: Counter,
    /// Rejected because all places were taken.
    pub(crate) full: Counter,
    /// Rejected because the customer already had its share of the places.
    pub(crate) share_taken: Counter,
    /// No thread began the work in time.
    pub(crate) late: Counter,
    /// The work had no outcome in time.
    pub(crate) stuck: Counter,
    /// The thread ended, or the work panicked.
    pub(crate) dropped: Counter,
    /// Another transaction held a lock for too long.
    pub(crate) locked: Counter,
}

impl Queue {
    /// Counts work as waiting until the returned value is dropped.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting { _depth: Open::new(&self.depth), wait: self.wait.clone() }
    }
}

/// Work that waits for a thread.
pub(crate) struct Waiting {
    _depth: Open,
    wait: Histogram,
}

impl Waiting {
    /// Records how long the work waited when a thread begins it.
    pub(crate) fn ends_after(self, waited: Duration) {
        self.wait.observe(waited.as_secs_f64());
    }
}
