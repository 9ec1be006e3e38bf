//! How blocking work leaves the event loop: a bounded queue, the threads that serve it, and the reply.
//!
//! `places` bounds how many may wait, `queue` bounds how long, `workers` are the threads. [`Workers::submit`] is the only place
//! that asks for room.

mod places;
mod queue;
mod workers;

pub(crate) use places::{Place, Places};
pub(crate) use queue::{Limits, Rejected, Reply, Ticket};
pub(crate) use workers::{Progress, Workers};

/// The processors there are; two where the system does not tell.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
