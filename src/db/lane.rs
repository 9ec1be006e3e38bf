//! Natural batching: one thread takes all queued items, applies them together, and replies to each request.
//!
//! The thread never waits for a batch to fill. Under low load a batch has one item. Under high load, items collect
//! while the database works on the previous batch, so batches grow. `docs/decisions/0015-the-write-path.md` has the
//! numbers.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use prometheus_client::metrics::histogram::Histogram;

use super::connection::DbConnection;
use super::counts::{count_reply, count_retry};
use super::error::{DbError, DbResult};
use super::executor::{Database, IDLE};
use super::thread_connection::{RETRY_FOR, ThreadConnection};
use super::transaction::{limited, write_transaction};
use crate::metrics;
use crate::threads::{Place, Places, Progress, Reply, Ticket, Workers};

/// How soon to retry a row that another transaction has locked.
const BUSY_RETRY: Duration = Duration::from_millis(20);
/// How long items that run one by one may delay the next batch.
const ONE_BY_ONE_LIMIT: Duration = Duration::from_millis(100);

/// How items of one kind are applied together.
pub trait Batch: Send + Sync + 'static {
    /// The input of a request.
    type Item: Send + 'static;
    /// Its output.
    type Output: Send + 'static;

    /// The name of the threads.
    const NAME: &'static str;
    /// The maximum number of items in a batch.
    const LIMIT: usize = 128;
    /// Whether the items are changes, so that the batch runs in a transaction.
    const WRITES: bool;

    /// Returns the customer that an item belongs to. A customer gets at most a share of the queue, and its items are
    /// applied in order of arrival.
    fn customer(item: &Self::Item) -> i64;

    /// Applies all items and returns their outcomes, in order. An item whose outcome is [`DbError::Busy`] was not
    /// applied, and is retried.
    ///
    /// # Errors
    /// Returns an error if the whole batch failed and nothing was applied. If a single item may be the cause, the items
    /// are retried one by one.
    fn apply(connection: &mut DbConnection, items: &[Self::Item]) -> DbResult<Vec<DbResult<Self::Output>>>;
}

/// The threads that apply batches, each with a bounded queue.
pub struct Lane<B: Batch> {
    threads: Vec<Workers<Job<B>>>,
    metrics: metrics::Database,
}

struct Job<B: Batch> {
    item: B::Item,
    reply: Reply<DbResult<B::Output>>,
}

/// The request that waits for an item's outcome.
struct Waiting<B: Batch> {
    reply: Reply<DbResult<B::Output>>,
    arrived: Instant,
    place: Place,
}

type Entry<B> = (<B as Batch>::Item, Waiting<B>);

impl<B: Batch> Lane<B> {
    /// Starts the threads.
    ///
    /// # Errors
    /// Returns an error if the operating system cannot create a thread.
    pub fn start(database: &Database) -> std::io::Result<Self> {
        let places = Places::new(database.places);
        let count = if B::WRITES { database.writers } else { 1 };
        let queues = &database.metrics.queues;
        let start = |_| {
            let (source, sizes) = (database.clone(), queues.batches(B::NAME));
            let (places, metrics) = (Arc::clone(&places), queues.queue(B::NAME));
            Workers::start(B::NAME, 1, places, database.limits, metrics, move |queue, progress| {
                let (connection, sizes) = (source.connection(B::WRITES), sizes.clone());
                let (held, held_customers, single_customers) = (Vec::new(), HashSet::new(), HashSet::new());
                let metrics = source.metrics.database.clone();
                Thread { connection, held, held_customers, single_customers, sizes, metrics }.serve(queue, progress);
            })
        };
        let threads = (0..count).map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { threads, metrics: database.metrics.database.clone() })
    }

    /// Queues an item and waits for its outcome. All items of a customer go to the same thread.
    ///
    /// # Errors
    /// Returns [`DbError::Overloaded`] at once if the queue is full, [`DbError::ShareTaken`] if the customer's share of
    /// it is full, or the error of the item.
    pub async fn submit(&self, item: B::Item) -> DbResult<B::Output> {
        let customer = B::customer(&item);
        let number = usize::try_from(customer).unwrap_or_default() % self.threads.len().max(1);
        let thread = self.threads.get(number).ok_or_else(|| DbError::Internal("the lane has no thread".into()))?;
        let reply = thread.submit(Some(customer), |reply| Job { item, reply }).await;
        count_reply(&reply, thread.metrics(), &self.metrics);
        reply?
    }
}

/// One thread of a lane.
struct Thread<B: Batch> {
    connection: ThreadConnection,
    /// Items to run next: new ones, and those that another transaction blocked. Those of one customer are in order of
    /// arrival.
    held: Vec<Entry<B>>,
    /// Customers whose items were held over from the previous batch.
    held_customers: HashSet<i64>,
    /// Those of them whose items wait for a lock that a batch cannot skip, and would delay all other items of a batch.
    single_customers: HashSet<i64>,
    /// The sizes of the batches.
    sizes: Histogram,
    metrics: metrics::Database,
}

impl<B: Batch> Thread<B> {
    fn serve(mut self, queue: &Receiver<Ticket<Job<B>>>, progress: &Progress) {
        while !progress.is_replaced() && self.gather(queue) {
            let (single, batch): (Vec<_>, Vec<_>) =
                self.held.drain(..).partition(|(item, _)| self.single_customers.contains(&B::customer(item)));
            self.apply_batch(batch, progress);
            self.apply_one_by_one(single, progress);
            self.connection.hand_over_if_needed();
        }
    }

    /// Waits for an item, then takes all queued ones. Returns `false` if the queue is closed and no items are left.
    fn gather(&mut self, queue: &Receiver<Ticket<Job<B>>>) -> bool {
        let timeout = if self.held.is_empty() { IDLE } else { BUSY_RETRY };
        let first = queue.recv_timeout(timeout);
        let is_closed = matches!(first, Err(RecvTimeoutError::Disconnected));
        if is_closed {
            std::thread::sleep(BUSY_RETRY);
        }
        self.expire();
        for ticket in first.into_iter().chain(queue.try_iter()).take(B::LIMIT) {
            // Skip items whose clients disconnected before the work began.
            if let Some((Job { item, reply }, arrived, place)) = ticket.begin() {
                self.held.push((item, Waiting { reply, arrived, place }));
            }
        }
        !is_closed || !self.held.is_empty()
    }

    /// Ends the items that another transaction blocked for too long, and drops those whose clients disconnected.
    fn expire(&mut self) {
        let is_expired =
            |(_, waiting): &mut Entry<B>| waiting.arrived.elapsed() >= RETRY_FOR || waiting.reply.is_abandoned();
        for (_, waiting) in self.held.extract_if(.., is_expired) {
            waiting.reply.send(Err(DbError::Busy));
        }
        self.held_customers = self.held.iter().map(|(item, _)| B::customer(item)).collect();
        self.single_customers.retain(|customer| self.held_customers.contains(customer));
    }

    /// Applies a batch in one commit.
    fn apply_batch(&mut self, batch: Vec<Entry<B>>, progress: &Progress) {
        if batch.is_empty() {
            return;
        }
        self.sizes.observe(batch.len() as f64);
        let (items, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let outcomes = self.run(&items, progress);
        let entries = items.into_iter().zip(waiting);
        match outcomes {
            Ok(outcomes) => entries.zip(outcomes).for_each(|(entry, outcome)| self.finish(entry, outcome)),
            // A single item's conflict, panic or lock may be the cause, so run each by itself. New items go first.
            Err(DbError::Unique(_) | DbError::Contention(_) | DbError::Internal(_) | DbError::Busy) => {
                log::debug!("a batch of {} is run one by one", entries.len());
                self.metrics.retries.batch.inc();
                let mut entries: Vec<Entry<B>> = entries.collect();
                entries.sort_by_key(|(item, _)| self.held_customers.contains(&B::customer(item)));
                self.apply_one_by_one(entries, progress);
            }
            Err(error) => entries.for_each(|entry| self.finish(entry, Err(error.clone()))),
        }
    }

    /// Applies each item in its own commit, until this has delayed other items for too long. If an item has to be
    /// retried, the later items of the same customer wait too.
    fn apply_one_by_one(&mut self, batch: Vec<Entry<B>>, progress: &Progress) {
        let started = Instant::now();
        let mut blocked = HashSet::new();
        let (mut untried, mut waited) = (Vec::new(), Duration::ZERO);
        for (item, waiting) in batch {
            let customer = B::customer(&item);
            if blocked.contains(&customer) {
                self.held.push((item, waiting));
                continue;
            }
            if waited >= ONE_BY_ONE_LIMIT {
                untried.push((item, waiting));
                continue;
            }
            let outcome = self.run(slice::from_ref(&item), progress);
            if matches!(outcome, Err(DbError::Busy)) {
                self.single_customers.insert(customer);
                waited = started.elapsed();
            }
            let outcome = outcome.and_then(|outcomes| outcomes.into_iter().next().unwrap_or_else(missing_outcome));
            if matches!(outcome, Err(DbError::Busy | DbError::Contention(_))) {
                blocked.insert(customer);
            }
            self.finish((item, waiting), outcome);
        }
        // These run first next time.
        self.held.splice(0..0, untried);
    }

    fn run(&mut self, items: &[B::Item], progress: &Progress) -> DbResult<Vec<DbResult<B::Output>>> {
        if progress.is_replaced() {
            return Err(DbError::TimedOut("the thread was replaced".into()));
        }
        let begin = self.connection.begin();
        let outcomes = progress.watch(|| {
            self.connection.once(|connection| {
                if B::WRITES {
                    write_transaction(connection, &begin, progress, |connection| B::apply(connection, items))
                } else {
                    limited(connection, &begin, |connection| B::apply(connection, items))
                }
            })
        })?;
        if outcomes.len() == items.len() { Ok(outcomes) } else { missing_outcome() }
    }

    fn finish(&mut self, (item, waiting): Entry<B>, outcome: DbResult<B::Output>) {
        match outcome {
            Err(DbError::Busy | DbError::Contention(_)) => {
                count_retry(&outcome, &self.metrics);
                self.held.push((item, waiting));
            }
            outcome => {
                // Free the place first, because the client may send its next request as soon as it has the reply.
                drop(waiting.place);
                waiting.reply.send(outcome);
            }
        }
    }
}

fn missing_outcome<T>() -> DbResult<T> {
    Err(DbError::Internal("a batch returned too few outcomes".into()))
}
