//! Passes work to a thread and its outcome back, with a time limit for each wait.

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
    /// The work did not begin in time. It will not begin later.
    Late,
    /// The work began but did not end in time. It may still end.
    Stuck,
    /// The thread ended without a reply.
    Dropped,
}

/// The time limits of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The limit until a thread begins the work.
    pub(crate) wait: Duration,
    /// The limit from then until the reply.
    pub(crate) work: Duration,
}

/// The sender of an outcome to the request that waits for it.
pub(crate) struct Reply<R>(oneshot::Sender<R>);

impl<R> Reply<R> {
    pub(crate) fn send(self, outcome: R) {
        if self.0.send(outcome).is_err() {
            log::debug!("the client disconnected before its reply");
        }
    }

    /// Returns whether the request has stopped waiting.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// Queued work, with its place in the queue.
pub(crate) struct Ticket<T> {
    work: T,
    arrived: Instant,
    claim: Arc<Claim>,
    place: Place,
    waiting: Waiting,
}

impl<T> Ticket<T> {
    /// Returns the work, its arrival time and its place, or `None` if it was cancelled. The place stays taken until it
    /// is dropped.
    pub(crate) fn begin(self) -> Option<(T, Instant, Place)> {
        self.claim.try_claim().then(|| {
            self.waiting.ends_after(self.arrived.elapsed());
            (self.work, self.arrived, self.place)
        })
    }
}

/// Decides once whether work begins or is cancelled. The thread and the request both try to claim it, and the first
/// wins.
#[derive(Default)]
struct Claim(AtomicBool);

impl Claim {
    /// Returns `false` if it was already claimed.
    fn try_claim(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Cancels the work on drop, for example when the client disconnects, unless it has begun.
struct CancelOnDrop<'a>(&'a Claim);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.try_claim();
    }
}

/// Queues the work that `make` builds with its reply, and waits for the outcome.
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
    let claim = Arc::<Claim>::default();
    let _cancel = CancelOnDrop(&claim);
    let (work, waiting) = (make(Reply(sender)), metrics.waiting());
    let ticket = Ticket { work, arrived: Instant::now(), claim: Arc::clone(&claim), place, waiting };
    queue.send(ticket).map_err(|_| Rejected::Dropped)?;
    let outcome = match actix_rt::time::timeout(limits.wait, &mut outcome).await {
        Ok(outcome) => outcome,
        Err(_) if claim.try_claim() => return Err(Rejected::Late),
        Err(_) => actix_rt::time::timeout(limits.work, outcome).await.map_err(|_| Rejected::Stuck)?,
    };
    outcome.map_err(|_| Rejected::Dropped)
}
