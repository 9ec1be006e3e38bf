//! How an answer gets from a thread that works to the request that waits for it.
//!
//! Answers go to the request's own thread in parcels of several, and are handed out there. A request that is woken
//! from another thread waits behind thirty others that became ready on its own thread meanwhile: under overload,
//! when each arrival makes another request ready, answers that came one by one would starve behind refusals.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

type Parcel = Box<dyn FnOnce() + Send>;
type Answered<T> = Vec<(oneshot::Sender<T>, T)>;

/// The most answers in a parcel: so few that the first are on their way while the others are packed.
const PARCEL: usize = 8;

/// How often a thread measures its delay, at most.
const MEASURED_EVERY: Duration = Duration::from_millis(20);

/// The last delay of any thread, in microseconds.
static DELAY: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HOME: RefCell<Option<Home>> = const { RefCell::new(None) };
    static MEASURED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// How long what became ready had to wait for its thread, when it was last measured.
pub(crate) fn delay() -> Duration {
    Duration::from_micros(DELAY.load(Ordering::Relaxed))
}

/// Measures this thread's delay by a task that waits behind all that are ready.
fn measure_delay() {
    let now = Instant::now();
    if MEASURED.get().is_none_or(|last| now - last >= MEASURED_EVERY) {
        MEASURED.set(Some(now));
        actix_rt::spawn(async move {
            let delay = u64::try_from(now.elapsed().as_micros()).unwrap_or(u64::MAX);
            DELAY.store(delay, Ordering::Relaxed);
        });
    }
}

/// Where a thread's parcels arrive.
#[derive(Clone)]
struct Home(mpsc::UnboundedSender<Parcel>);

impl Home {
    fn of_this_thread() -> Self {
        HOME.with_borrow_mut(|home| match home {
            Some(home) if !home.0.is_closed() => home.clone(),
            _ => home.insert(Self::open()).clone(),
        })
    }

    /// The task ends with the thread's runtime.
    fn open() -> Self {
        let (sender, mut parcels) = mpsc::unbounded_channel::<Parcel>();
        actix_rt::spawn(async move {
            while let Some(parcel) = parcels.recv().await {
                parcel();
            }
        });
        Self(sender)
    }

    fn send(&self, parcel: Parcel) {
        if let Err(mpsc::error::SendError(parcel)) = self.0.send(parcel) {
            parcel();
        }
    }
}

/// What a request waits for; yields none when the [`Answer`] was dropped.
pub(crate) struct Awaited<T>(oneshot::Receiver<T>);

impl<T> Awaited<T> {
    pub(crate) async fn receive(self) -> Option<T> {
        self.0.await.ok()
    }
}

/// The means to answer one request.
pub(crate) struct Answer<T> {
    sender: oneshot::Sender<T>,
    home: Home,
}

impl<T: Send + 'static> Answer<T> {
    /// A pair of ends; to be made on the request's own thread.
    pub(crate) fn new() -> (Self, Awaited<T>) {
        measure_delay();
        let (sender, receiver) = oneshot::channel();
        (Self { sender, home: Home::of_this_thread() }, Awaited(receiver))
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.sender.is_closed()
    }

    /// Answers one request.
    pub(crate) fn give(self, value: T) {
        Self::give_all(std::iter::once((self, value)));
    }

    /// Works the answer out and gives it, unless nobody waits any more.
    pub(crate) fn give_if_wanted(self, work: impl FnOnce() -> T) {
        if !self.is_unwanted() {
            let value = work();
            self.give(value);
        }
    }

    /// Answers several requests, in parcels for each thread that has some of them.
    pub(crate) fn give_all(answers: impl Iterator<Item = (Self, T)>) {
        let mut parcels: Vec<(Home, Answered<T>)> = Vec::new();
        for (Self { sender, home }, value) in answers {
            let known = parcels.iter().position(|(other, _)| other.0.same_channel(&home.0));
            let place = known.unwrap_or_else(|| {
                parcels.push((home, Vec::with_capacity(PARCEL)));
                parcels.len() - 1
            });
            if let Some((home, parcel)) = parcels.get_mut(place) {
                parcel.push((sender, value));
                if parcel.len() == PARCEL {
                    home.send(hand_out(std::mem::replace(parcel, Vec::with_capacity(PARCEL))));
                }
            }
        }
        for (home, parcel) in parcels.into_iter().filter(|(_, parcel)| !parcel.is_empty()) {
            home.send(hand_out(parcel));
        }
    }
}

fn hand_out<T: Send + 'static>(answers: Answered<T>) -> Parcel {
    Box::new(move || {
        for (sender, value) in answers {
            if sender.send(value).is_err() {
                log::debug!("the client went away before its answer");
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::Poll;

    /// Lets every task of this thread run that is ready, and stays ready itself.
    async fn give_way() {
        let mut gave_way = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut gave_way, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[test]
    fn answers_do_not_starve_behind_what_is_always_ready() {
        const ANSWERS: u64 = 256;
        actix_rt::System::new().block_on(async {
            let (others, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
            for _ in 0..64 {
                let (others, done) = (Rc::clone(&others), Rc::clone(&done));
                actix_rt::spawn(async move {
                    while !done.get() {
                        others.set(others.get() + 1);
                        give_way().await;
                    }
                });
            }
            let (answers, awaited): (Vec<_>, Vec<_>) = (0..ANSWERS).map(|_| Answer::new()).unzip();
            let waiting: Vec<_> = awaited.into_iter().map(|awaited| actix_rt::spawn(awaited.receive())).collect();
            // Until each of them waits.
            for _ in 0..100 {
                give_way().await;
            }
            let worker = std::thread::spawn(move || Answer::give_all(answers.into_iter().zip(0..ANSWERS)));
            assert!(worker.join().is_ok());
            let before = others.get();
            let mut received = Vec::new();
            for answer in waiting {
                received.push(answer.await.ok().flatten());
            }
            done.set(true);
            assert_eq!(received, (0..ANSWERS).map(Some).collect::<Vec<_>>());
            // Woken one by one from the other thread, each would have waited behind thirty.
            assert!(others.get() - before < ANSWERS * 8, "{}", others.get() - before);
        });
    }
}
