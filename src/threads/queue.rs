//! Work on its way into a thread and its outcome on the way back, with a bound for every wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tokio::sync::oneshot;

use super::places::Place;
use crate::metrics::{Queue, Waiting};

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// All places are taken.
    Full,
    /// The customer already has its share of the places.
    ShareTaken,
    /// The work had not begun in time. It never will.
    Late,
    /// The work began and did not end in time. Whether it will end is unknown.
    Stuck,
    /// The thread ended without a reply.
    Dropped,
}

/// How long work may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Until a thread begins with it.
    pub(crate) wait: Duration,
    /// From then until its reply.
    pub(crate) work: Duration,
}

/// Where one requester hears the outcome.
pub(crate) struct Reply<R>(oneshot::Sender<R>);

impl<R> Reply<R> {
    pub(crate) fn send(self, outcome: R) {
        if self.0.send(outcome).is_err() {
            log::debug!("the client went away before its reply");
        }
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// Work that waits in a queue, and then keeps its place until it is dropped.
pub(crate) struct Ticket<T> {
    work: T,
    arrived: Instant,
    settled: Arc<Settled>,
    place: Place,
    waiting: Waiting,
}

impl<T> Ticket<T> {
    /// The work, when it was asked for, and its place; `None` when nobody wants it any more.
    pub(crate) fn begin(self) -> Option<(T, Instant, Place)> {
        self.settled.settle().then(|| {
            self.waiting.ends_after(self.arrived.elapsed());
            (self.work, self.arrived, self.place)
        })
    }
}

/// Whether it is settled that the work begins, or that it never will: whoever comes first settles it.
#[derive(Default)]
struct Settled(AtomicBool);

impl Settled {
    /// `false` when somebody else did before.
    fn settle(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Cancels the work when the client goes away, unless it has begun.
struct CancelOnDrop<'a>(&'a Settled);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

/// Queues the work that `make` builds around the reply, and waits for the outcome.
///
/// # Errors
/// See [`Rejected`].
pub(super) async fn submit<T, R>(
    queue: &Sender<Ticket<T>>,
    metrics: &Queue,
    place: Place,
    limits: Limits,
    make: impl FnOnce(Reply<R>) -> T,
) -> Result<R, Rejected> {
    let (sender, mut outcome) = oneshot::channel();
    let settled = Arc::<Settled>::default();
    let _cancel = CancelOnDrop(&settled);
    let (work, waiting) = (make(Reply(sender)), metrics.waiting());
    let ticket = Ticket { work, arrived: Instant::now(), settled: Arc::clone(&settled), place, waiting };
    queue.send(ticket).map_err(|_| Rejected::Dropped)?;
    let outcome = match actix_rt::time::timeout(limits.wait, &mut outcome).await {
        Ok(outcome) => outcome,
        Err(_) if settled.settle() => return Err(Rejected::Late),
        Err(_) => actix_rt::time::timeout(limits.work, outcome).await.map_err(|_| Rejected::Stuck)?,
    };
    outcome.map_err(|_| Rejected::Dropped)
}
