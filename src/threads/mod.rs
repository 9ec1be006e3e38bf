//! Threads for blocking work, with bounded queues.
//!
//! `places` limits how many requests a queue holds, `queue` limits how long they wait, and `workers` runs the threads.
//! Only [`Workers::submit`] checks whether the queue is full.

mod places;
mod queue;
mod workers;

pub(crate) use places::{Place, Places};
pub(crate) use queue::{Limits, Rejected, Reply, Ticket};
pub(crate) use workers::{Progress, Workers};

/// Returns the number of processors, or two if it is unknown.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
