//! Natural batching: one thread takes all that waits, applies it as one unit, and answers each request.
//!
//! Nothing waits for a batch to fill. Under low load a batch is one item; while the database works on a batch the next
//! one gathers, so under high load batches grow by themselves. `docs/decisions/0015-the-write-path.md` has the numbers.

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

/// How soon a row that somebody else had locked is tried again.
const BUSY_AGAIN: Duration = Duration::from_millis(20);
/// How long items that are run by themselves may hold up the next batch.
const BY_THEMSELVES: Duration = Duration::from_millis(100);

/// How items of one kind are applied together.
pub trait Batch: Send + Sync + 'static {
    /// What a request puts in.
    type Item: Send + 'static;
    /// What it gets back.
    type Output: Send + 'static;

    /// The threads' name.
    const NAME: &'static str;
    /// The most items that join a batch.
    const LIMIT: usize = 128;
    /// Whether items are written, in a transaction around the batch.
    const WRITES: bool;

    /// The customer whose item this is. One customer may take a share of the lane; its items are applied in the order of
    /// arrival.
    fn customer(item: &Self::Item) -> i64;

    /// Applies all items; one outcome each, in order. An item whose outcome is [`DbError::Busy`] was not applied and is
    /// tried again.
    ///
    /// # Errors
    /// The unit failed as a whole and nothing was applied. Where that may be one item's fault, each is tried by itself.
    fn apply(connection: &mut DbConnection, items: &[Self::Item]) -> DbResult<Vec<DbResult<Self::Output>>>;
}

/// The bounded queues into the threads that batch: one thread for each queue.
pub struct Lane<B: Batch> {
    threads: Vec<Workers<Job<B>>>,
    metrics: metrics::Database,
}

struct Job<B: Batch> {
    item: B::Item,
    reply: Reply<DbResult<B::Output>>,
}

/// Who waits for an item's outcome.
struct Waiting<B: Batch> {
    reply: Reply<DbResult<B::Output>>,
    arrived: Instant,
    place: Place,
}

type Entry<B> = (<B as Batch>::Item, Waiting<B>);

impl<B: Batch> Lane<B> {
    /// Starts the lane's threads.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(database: &Database) -> std::io::Result<Self> {
        let places = Places::new(database.places);
        let count = if B::WRITES { database.writers } else { 1 };
        let queues = &database.metrics.queues;
        let start = |_| {
            let (source, sizes) = (database.clone(), queues.batches(B::NAME));
            let (places, metrics) = (Arc::clone(&places), queues.queue(B::NAME));
            Workers::start(B::NAME, 1, places, database.limits, metrics, move |queue, progress| {
                let (connection, sizes) = (source.connection(B::WRITES), sizes.clone());
                let (held, held_customers, alone) = (Vec::new(), HashSet::new(), HashSet::new());
                let metrics = source.metrics.database.clone();
                Thread { connection, held, held_customers, alone, sizes, metrics }.serve(queue, progress);
            })
        };
        let threads = (0..count).map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { threads, metrics: database.metrics.database.clone() })
    }

    /// Queues an item and waits for its outcome. A customer's items go to the same thread.
    ///
    /// # Errors
    /// [`DbError::Overloaded`] at once when the queue is full, [`DbError::ShareTaken`] when the customer has its share
    /// of it; else what became of the item.
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
    /// Items that found another transaction in their way. Those of one customer are in the order of arrival.
    held: Vec<Entry<B>>,
    /// Customers who have items among them.
    held_customers: HashSet<i64>,
    /// Those of them who wait for a lock that no batch can skip, and would hold up the others in it.
    alone: HashSet<i64>,
    /// How many items the batches had.
    sizes: Histogram,
    metrics: metrics::Database,
}

impl<B: Batch> Thread<B> {
    fn serve(mut self, queue: &Receiver<Ticket<Job<B>>>, progress: &Progress) {
        while !progress.is_given_up() && self.gather(queue) {
            let (alone, batch): (Vec<_>, Vec<_>) =
                self.held.drain(..).partition(|(item, _)| self.alone.contains(&B::customer(item)));
            self.together(batch, progress);
            self.one_by_one(alone, progress);
            self.connection.hand_over_if_wanted();
        }
    }

    /// Waits for an item, then takes what is there; `false` when the queue has closed and nothing is held.
    fn gather(&mut self, queue: &Receiver<Ticket<Job<B>>>) -> bool {
        let patience = if self.held.is_empty() { IDLE } else { BUSY_AGAIN };
        let first = queue.recv_timeout(patience);
        let is_closed = matches!(first, Err(RecvTimeoutError::Disconnected));
        if is_closed {
            std::thread::sleep(BUSY_AGAIN);
        }
        self.expire();
        for ticket in first.into_iter().chain(queue.try_iter()).take(B::LIMIT) {
            // A client that went away before its work began changes nothing, for itself or for others.
            if let Some((Job { item, reply }, arrived, place)) = ticket.begin() {
                self.held.push((item, Waiting { reply, arrived, place }));
            }
        }
        !is_closed || !self.held.is_empty()
    }

    /// Answers those that another transaction kept waiting for too long, and drops those whose clients went away.
    fn expire(&mut self) {
        let is_over =
            |(_, waiting): &mut Entry<B>| waiting.arrived.elapsed() >= RETRY_FOR || waiting.reply.is_abandoned();
        for (_, waiting) in self.held.extract_if(.., is_over) {
            waiting.reply.send(Err(DbError::Busy));
        }
        self.held_customers = self.held.iter().map(|(item, _)| B::customer(item)).collect();
        self.alone.retain(|customer| self.held_customers.contains(customer));
    }

    /// Applies a batch in one commit.
    fn together(&mut self, batch: Vec<Entry<B>>, progress: &Progress) {
        if batch.is_empty() {
            return;
        }
        self.sizes.observe(batch.len() as f64);
        let (items, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let outcomes = self.run(&items, progress);
        let entries = items.into_iter().zip(waiting);
        match outcomes {
            Ok(outcomes) => entries.zip(outcomes).for_each(|(entry, outcome)| self.finish(entry, outcome)),
            // One item's conflict, panic or lock may be the reason: each by itself now, and those first who just came.
            Err(DbError::Unique(_) | DbError::Contention(_) | DbError::Internal(_) | DbError::Busy) => {
                log::debug!("a batch of {} is run one by one", entries.len());
                self.metrics.retries.batch.inc();
                let mut entries: Vec<Entry<B>> = entries.collect();
                entries.sort_by_key(|(item, _)| self.held_customers.contains(&B::customer(item)));
                self.one_by_one(entries, progress);
            }
            Err(error) => entries.for_each(|entry| self.finish(entry, Err(error.clone()))),
        }
    }

    /// Applies items in a commit each, for as long as the others can wait. Once an item is held, those of the same customer
    /// behind it wait too.
    fn one_by_one(&mut self, batch: Vec<Entry<B>>, progress: &Progress) {
        let started = Instant::now();
        let mut blocked = HashSet::new();
        let (mut untried, mut waited) = (Vec::new(), Duration::ZERO);
        for (item, waiting) in batch {
            let customer = B::customer(&item);
            if blocked.contains(&customer) {
                self.held.push((item, waiting));
                continue;
            }
            if waited >= BY_THEMSELVES {
                untried.push((item, waiting));
                continue;
            }
            let outcome = self.run(slice::from_ref(&item), progress);
            if matches!(outcome, Err(DbError::Busy)) {
                self.alone.insert(customer);
                waited = started.elapsed();
            }
            let outcome = outcome.and_then(|outcomes| outcomes.into_iter().next().unwrap_or_else(lost));
            if matches!(outcome, Err(DbError::Busy | DbError::Contention(_))) {
                blocked.insert(customer);
            }
            self.finish((item, waiting), outcome);
        }
        // Those come before the others next time.
        self.held.splice(0..0, untried);
    }

    fn run(&mut self, items: &[B::Item], progress: &Progress) -> DbResult<Vec<DbResult<B::Output>>> {
        if progress.is_given_up() {
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
        if outcomes.len() == items.len() { Ok(outcomes) } else { lost() }
    }

    fn finish(&mut self, (item, waiting): Entry<B>, outcome: DbResult<B::Output>) {
        match outcome {
            Err(DbError::Busy | DbError::Contention(_)) => {
                count_retry(&outcome, &self.metrics);
                self.held.push((item, waiting));
            }
            outcome => {
                // The client may send the next request as soon as it has this reply.
                drop(waiting.place);
                waiting.reply.send(outcome);
            }
        }
    }
}

fn lost<T>() -> DbResult<T> {
    Err(DbError::Internal("a batch lost an outcome".into()))
}
