//! The threads that serve a queue. Stuck threads are replaced, up to a limit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

use super::queue::submit;
use super::{Limits, Places, Rejected, Reply, Ticket};
use crate::metrics::{Open, Queue};

/// The maximum number of replaced threads that have not ended yet. No more threads are replaced beyond it.
const MAX_REPLACED: usize = 8;
/// How often to check whether a thread has ended.
const POLL: Duration = Duration::from_millis(2);

type Serve<T> = dyn Fn(&Receiver<Ticket<T>>, &Progress) + Send + Sync;

/// A bounded queue and the threads that serve it. Dropping it waits for the threads to finish their work, up to the
/// time limit of work.
pub(crate) struct Workers<T: Send + 'static> {
    name: &'static str,
    sender: Option<Sender<Ticket<T>>>,
    receiver: Receiver<Ticket<T>>,
    places: Arc<Places>,
    limits: Limits,
    metrics: Queue,
    serve: Arc<Serve<T>>,
    threads: Mutex<Vec<Thread>>,
}

struct Thread {
    progress: Arc<Progress>,
    handle: JoinHandle<()>,
}

/// The state of a thread, which it shares with [`Workers`].
#[derive(Default)]
pub(crate) struct Progress {
    busy_since: Mutex<Option<Instant>>,
    replaced: AtomicBool,
    busy: Gauge,
}

impl Progress {
    /// Runs work, and records when it began, to detect a stuck thread.
    pub(crate) fn watch<R>(&self, work: impl FnOnce() -> R) -> R {
        let _busy = Open::new(&self.busy);
        *self.busy_since.lock() = Some(Instant::now());
        let outcome = work();
        *self.busy_since.lock() = None;
        outcome
    }

    /// Returns whether another thread has replaced this one, so that it must end.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    fn is_stuck(&self, limit: Duration) -> bool {
        self.busy_since.lock().is_some_and(|since| since.elapsed() >= limit)
    }
}

impl<T: Send + 'static> Workers<T> {
    /// Starts `count` threads. Each runs `serve` until the queue is closed and empty, or until the thread is replaced.
    ///
    /// # Errors
    /// Returns an error if the operating system cannot create a thread.
    pub(crate) fn start(
        name: &'static str,
        count: usize,
        places: Arc<Places>,
        limits: Limits,
        metrics: Queue,
        serve: impl Fn(&Receiver<Ticket<T>>, &Progress) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        // `places` limits the number of entries.
        let (sender, receiver) = unbounded();
        let threads = Mutex::new(Vec::with_capacity(count));
        let serve = Arc::new(serve);
        let workers = Self { name, sender: Some(sender), receiver, places, limits, metrics, serve, threads };
        for number in 0..count {
            let thread = workers.spawn(number)?;
            workers.threads.lock().push(thread);
        }
        Ok(workers)
    }

    fn spawn(&self, number: usize) -> std::io::Result<Thread> {
        let progress = Arc::new(Progress { busy: self.metrics.busy.clone(), ..Progress::default() });
        let (serve, receiver, watched) = (Arc::clone(&self.serve), self.receiver.clone(), Arc::clone(&progress));
        let builder = std::thread::Builder::new().name(format!("{}-{number}", self.name));
        let name = self.name;
        let handle = builder.spawn(move || {
            // The panic drops the reply, so that the request gets an error. The thread goes on with the next work.
            while catch_unwind(AssertUnwindSafe(|| serve(&receiver, &watched))).is_err() {
                log::error!("work for {name} panicked");
                *watched.busy_since.lock() = None;
            }
        })?;
        self.metrics.threads.inc();
        Ok(Thread { progress, handle })
    }

    /// Queues the work that `make` builds with its reply, and waits for the outcome.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub(crate) async fn submit<R>(
        &self,
        customer: Option<i64>,
        make: impl FnOnce(Reply<R>) -> T,
    ) -> Result<R, Rejected> {
        let Some(sender) = &self.sender else { return Err(Rejected::Dropped) };
        let place = self.places.take(customer).inspect_err(|rejected| self.count(*rejected))?;
        let outcome = submit(sender, &self.metrics, place, self.limits, make).await;
        if let Err(rejected) = outcome {
            self.count(rejected);
            if matches!(rejected, Rejected::Late | Rejected::Stuck) {
                self.replace_stuck();
            }
        }
        outcome
    }

    /// Returns the metrics of the queue and its threads.
    pub(crate) fn metrics(&self) -> &Queue {
        &self.metrics
    }

    fn count(&self, rejected: Rejected) {
        let counter = match rejected {
            Rejected::Full => &self.metrics.full,
            Rejected::ShareTaken => &self.metrics.share_taken,
            Rejected::Late => &self.metrics.late,
            Rejected::Stuck => &self.metrics.stuck,
            Rejected::Dropped => &self.metrics.dropped,
        };
        counter.inc();
    }

    /// Replaces each thread that has worked on one job for longer than the time limit.
    fn replace_stuck(&self) {
        let mut threads = self.threads.lock();
        threads.retain(|thread| !(thread.progress.is_replaced() && thread.handle.is_finished()));
        let is_replaced = |thread: &&Thread| thread.progress.is_replaced();
        let is_stuck = |thread: &&Thread| !is_replaced(thread) && thread.progress.is_stuck(self.limits.work);
        let room = MAX_REPLACED.saturating_sub(threads.iter().filter(is_replaced).count());
        let stuck: Vec<Arc<Progress>> =
            threads.iter().filter(is_stuck).take(room).map(|thread| Arc::clone(&thread.progress)).collect();
        for progress in stuck {
            match self.spawn(threads.len()) {
                Ok(replacement) => {
                    log::error!("a thread for {} is stuck and was replaced", self.name);
                    progress.replaced.store(true, Ordering::Release);
                    self.metrics.replaced.inc();
                    self.metrics.threads.dec();
                    threads.push(replacement);
                }
                Err(error) => log::error!("a stuck thread for {} could not be replaced: {error}", self.name),
            }
        }
    }
}

impl<T: Send + 'static> Drop for Workers<T> {
    fn drop(&mut self) {
        self.sender = None;
        let started = Instant::now();
        for Thread { progress, handle } in self.threads.get_mut().drain(..) {
            if progress.is_replaced() || handle.thread().id() == std::thread::current().id() {
                continue;
            }
            while !handle.is_finished() && started.elapsed() < self.limits.work {
                std::thread::sleep(POLL);
            }
            if handle.is_finished() && handle.join().is_err() {
                log::error!("a thread for {} had panicked", self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crossbeam_channel::bounded;

    type Job = Box<dyn FnOnce() + Send>;

    fn workers(work_limit: Duration) -> Workers<Job> {
        let limits = Limits { wait: Duration::from_millis(200), work: work_limit };
        let serve = |jobs: &Receiver<Ticket<Job>>, progress: &Progress| {
            for (job, _, _place) in jobs.iter().filter_map(Ticket::begin) {
                progress.watch(job);
                if progress.is_replaced() {
                    return;
                }
            }
        };
        let metrics = Metrics::default().queues.queue("test");
        Workers::start("test", 1, Places::new(16), limits, metrics, serve).expect("a thread")
    }

    async fn submit(workers: &Workers<Job>, work: impl FnOnce() + Send + 'static) -> Result<(), Rejected> {
        let job = |reply: Reply<()>| -> Job {
            Box::new(move || {
                work();
                reply.send(());
            })
        };
        workers.submit(None, job).await
    }

    /// Returns work that ends when the returned sender is dropped.
    fn stuck() -> (Sender<()>, impl FnOnce() + Send) {
        let (release, released) = bounded::<()>(0);
        (release, move || assert!(released.recv().is_err(), "nothing is sent"))
    }

    #[actix_rt::test]
    async fn a_panic_costs_its_own_work_and_no_thread() {
        let workers = workers(Duration::from_secs(60));
        for _ in 0..3 {
            assert_eq!(submit(&workers, || unreachable!("a defect in a job")).await, Err(Rejected::Dropped));
            assert_eq!(submit(&workers, || {}).await, Ok(()));
        }
    }

    #[actix_rt::test]
    async fn a_stuck_thread_is_replaced_and_ends_once_it_can() {
        let workers = workers(Duration::from_millis(100));
        let (release, work) = stuck();
        assert_eq!(submit(&workers, work).await, Err(Rejected::Stuck));
        assert_eq!(submit(&workers, || {}).await, Ok(()));
        drop(release);
        while workers.threads.lock().iter().any(|thread| thread.progress.is_replaced() && !thread.handle.is_finished())
        {
            actix_rt::time::sleep(POLL).await;
        }
        assert_eq!(submit(&workers, || {}).await, Ok(()));
    }

    #[actix_rt::test]
    async fn stuck_threads_are_replaced_up_to_a_limit_and_queued_work_then_fails_in_time() {
        let workers = workers(Duration::from_millis(20));
        let mut releases = Vec::new();
        for _ in 0..=MAX_REPLACED {
            let (release, work) = stuck();
            releases.push(release);
            assert_eq!(submit(&workers, work).await, Err(Rejected::Stuck));
        }
        assert_eq!(submit(&workers, || {}).await, Err(Rejected::Late));
        drop(releases);
        while submit(&workers, || {}).await.is_err() {}
    }
}
