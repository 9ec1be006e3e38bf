//! Natural batching: one thread takes all that waits, applies it as one unit, and answers each request.
//!
//! Nothing waits for a batch to fill. Under low load a batch is one item; while the database works on a batch the next
//! one gathers, so under high load batches grow by themselves. `docs/decisions/0015-the-write-path.md` has the numbers.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::executor::Database;
use super::thread_connection::{OnLoss, TRIES_FOR, ThreadConnection};
use super::transaction::write_transaction;
use crate::threads::{Place, Places, Progress, Reply, Ticket, Workers};

/// How long a thread without work waits before it looks whether another one needs its connection.
const IDLE: Duration = Duration::from_secs(1);
/// How soon a row that somebody else had locked is tried again.
const BUSY_AGAIN: Duration = Duration::from_millis(20);

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

    /// Whose item it is. One customer may take a share of the lane, and its items are applied in the order of arrival.
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
    writers: Vec<Workers<Job<B>>>,
}

struct Job<B: Batch> {
    item: B::Item,
    reply: Reply<DbResult<B::Output>>,
}

/// Who waits for an item's outcome.
struct Waiting<B: Batch> {
    reply: Reply<DbResult<B::Output>>,
    arrived: Instant,
    /// The item waits for a lock that no batch can skip, and would hold up the others in it.
    alone: bool,
    _place: Place,
}

type Entry<B> = (<B as Batch>::Item, Waiting<B>);

impl<B: Batch> Lane<B> {
    /// Starts the lane's threads.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(database: &Database) -> std::io::Result<Self> {
        let places = Places::new(database.places());
        let count = if B::WRITES { database.writers() } else { 1 };
        let start = |_| {
            let source = database.clone();
            Workers::start(B::NAME, 1, Arc::clone(&places), database.limits(), move |queue, progress| {
                let connection = if B::WRITES { source.write_connection() } else { source.read_connection() };
                Thread { connection, held: Vec::new() }.serve(queue, progress);
            })
        };
        Ok(Self { writers: (0..count).map(start).collect::<std::io::Result<_>>()? })
    }

    /// Queues an item and waits for its outcome. A customer's items go to the same thread.
    ///
    /// # Errors
    /// [`DbError::Overloaded`] at once when the queue is full, [`DbError::ShareTaken`] when the customer has its share
    /// of it; else what became of the item.
    pub async fn submit(&self, item: B::Item) -> DbResult<B::Output> {
        let customer = B::customer(&item);
        let number = usize::try_from(customer).unwrap_or_default() % self.writers.len().max(1);
        let Some(writer) = self.writers.get(number) else {
            return Err(DbError::Internal("the lane has no thread".into()));
        };
        writer.submit(Some(customer), |reply| Job { item, reply }).await?
    }
}

/// One thread of a lane.
struct Thread<B: Batch> {
    connection: ThreadConnection,
    /// Items that found another transaction in their way, in the order of arrival. They go first in the next batch.
    held: Vec<Entry<B>>,
}

impl<B: Batch> Thread<B> {
    fn serve(mut self, queue: &Receiver<Ticket<Job<B>>>, progress: &Progress) {
        while !progress.is_given_up() && self.gather(queue) {
            progress.watch(|| self.apply(progress));
            self.connection.hand_over_if_wanted();
        }
    }

    /// Waits for an item, then takes what is there; `false` when the queue has closed and nothing is held.
    fn gather(&mut self, queue: &Receiver<Ticket<Job<B>>>) -> bool {
        let patience = if self.held.is_empty() { IDLE } else { BUSY_AGAIN };
        let first = match queue.recv_timeout(patience) {
            Ok(ticket) => Some(ticket),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) if self.held.is_empty() => return false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(BUSY_AGAIN);
                None
            }
        };
        self.give_up_late();
        let alone: HashSet<i64> =
            self.held.iter().filter(|(_, waiting)| waiting.alone).map(|(item, _)| B::customer(item)).collect();
        for ticket in first.into_iter().chain(queue.try_iter()).take(B::LIMIT) {
            // A client that went away before its work began changes nothing, for itself or for others.
            if let Some((Job { item, reply }, arrived, place)) = ticket.begin() {
                let alone = alone.contains(&B::customer(&item));
                self.held.push((item, Waiting { reply, arrived, alone, _place: place }));
            }
        }
        true
    }

    /// Answers those that another transaction kept waiting for too long.
    fn give_up_late(&mut self) {
        for (item, waiting) in std::mem::take(&mut self.held) {
            if waiting.arrived.elapsed() >= TRIES_FOR {
                waiting.reply.send(Err(DbError::Busy));
            } else if !waiting.reply.is_abandoned() {
                self.held.push((item, waiting));
            }
        }
    }

    fn apply(&mut self, progress: &Progress) {
        let (alone, batch): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|(_, waiting)| waiting.alone);
        self.together(batch, progress);
        self.one_by_one(alone, progress);
    }

    /// Applies a batch in one commit.
    fn together(&mut self, batch: Vec<Entry<B>>, progress: &Progress) {
        if batch.is_empty() {
            return;
        }
        let (items, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let outcomes = self.run(&items, progress);
        let entries = items.into_iter().zip(waiting);
        match outcomes {
            Ok(outcomes) => entries.zip(outcomes).for_each(|(entry, outcome)| self.finish(entry, outcome)),
            // One item's conflict, panic or lock may be the reason: each by itself now.
            Err(DbError::Unique(_) | DbError::Contention(_) | DbError::Internal(_) | DbError::Busy) => {
                log::debug!("a batch of {} is run one by one", entries.len());
                self.one_by_one(entries.collect(), progress);
            }
            Err(error) => entries.for_each(|entry| self.finish(entry, Err(error.clone()))),
        }
    }

    /// Applies items in a commit each. After two in a row that had to wait for a lock, the rest is not tried: somebody
    /// holds more than one customer's row.
    fn one_by_one(&mut self, batch: Vec<Entry<B>>, progress: &Progress) {
        let mut busy_in_a_row = 0;
        for (item, mut waiting) in batch {
            if busy_in_a_row >= 2 {
                self.held.push((item, waiting));
                continue;
            }
            let outcome = self.run(slice::from_ref(&item), progress);
            waiting.alone = matches!(outcome, Err(DbError::Busy));
            busy_in_a_row = if waiting.alone { busy_in_a_row + 1 } else { 0 };
            let outcome = outcome.and_then(|outcomes| outcomes.into_iter().next().unwrap_or_else(lost));
            self.finish((item, waiting), outcome);
        }
    }

    fn run(&mut self, items: &[B::Item], progress: &Progress) -> DbResult<Vec<DbResult<B::Output>>> {
        let outcomes = self.connection.once(OnLoss::Repeat, |connection| {
            if B::WRITES {
                write_transaction(connection, progress, |connection| B::apply(connection, items))
            } else {
                B::apply(connection, items)
            }
        })?;
        if outcomes.len() == items.len() { Ok(outcomes) } else { lost() }
    }

    fn finish(&mut self, (item, waiting): Entry<B>, outcome: DbResult<B::Output>) {
        match outcome {
            Err(DbError::Busy | DbError::Contention(_)) => self.held.push((item, waiting)),
            outcome => waiting.reply.send(outcome),
        }
    }
}

fn lost<T>() -> DbResult<T> {
    Err(DbError::Internal("a batch lost an outcome".into()))
}
