//! Runs database work that is not batched, on threads that each keep a connection, with bounded queues. Reads and
//! writes have separate threads, so that no read waits behind a writer that waits for a lock.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::checkpoint;
use super::connection::DbConnection;
use super::counts::count_reply;
use super::error::DbResult;
use super::pool::{self, Pool};
use super::thread_connection::{OnLoss, ThreadConnection};
use super::transaction::limited;
use super::write_lock::WriteLock;
use crate::ids::CustomerId;
use crate::metrics::Metrics;
use crate::settings::{Settings, Target};
use crate::threads::{self, Limits, Places, Progress, Ticket, Workers};

type Job = Box<dyn FnOnce(&mut ThreadConnection) + Send>;

/// How often an idle thread checks whether another one needs its connection.
pub(super) const IDLE: Duration = Duration::from_secs(1);
/// How long a reply may take, in addition to the statement time-out.
const REPLY_MARGIN: Duration = Duration::from_secs(2);
/// Connections in addition to one per thread, for threads that replace stuck ones.
const SPARE_CONNECTIONS: usize = 8;

/// A handle to the database. It is cheap to clone, and all HTTP threads share it.
#[derive(Clone)]
pub struct Database {
    target: Target,
    pub(super) pool: Pool,
    /// How many requests may be queued in a lane.
    pub(super) places: usize,
    /// The number of threads that write batches.
    pub(super) writers: usize,
    pub(super) limits: Limits,
    write_lock: WriteLock,
    pub(super) metrics: Metrics,
    reads: Arc<Workers<Job>>,
    writes: Arc<Workers<Job>>,
    /// For SQLite only. The thread ends when the last clone of the database is dropped.
    _checkpoints: Option<Arc<Workers<()>>>,
}

impl Database {
    /// Starts the threads. They open connections when first needed.
    ///
    /// # Errors
    /// Returns an error if the operating system cannot create a thread, or SQLite's file cannot be opened.
    pub fn start(settings: &Settings, target: Target, metrics: &Metrics) -> std::io::Result<Self> {
        let settings = &settings.database;
        let threads = match settings.threads {
            0 => (2 * threads::cores()).max(4),
            given => given,
        };
        // SQLite admits one writer at a time.
        let (writing_threads, writers, write_lock) = match target {
            Target::Sqlite(_) => (1, 1, WriteLock::one_at_a_time()),
            Target::Postgres(..) => (threads, settings.writers, WriteLock::default()),
        };
        let limits = Limits {
            wait: Duration::from_secs(settings.queue_timeout_seconds),
            work: settings.statement_timeout() + REPLY_MARGIN,
        };
        // Readers and writers of single jobs, writers of batches, the reader of batches, and the spare ones.
        let connections = threads + writing_threads + writers + 1 + SPARE_CONNECTIONS;
        let (file, checkpoints) = match &target {
            Target::Postgres(..) => (None, None),
            Target::Sqlite(path) => {
                let (file, workers) = checkpoint::start(path, settings, write_lock.clone(), limits)?;
                (Some(file), Some(Arc::new(workers)))
            }
        };
        let size = u32::try_from(connections).unwrap_or(u32::MAX);
        let pool = pool::build(target.clone(), settings, size, file, &metrics.database);
        let queue = |name| metrics.queues.queue(name);
        let (places, readers, writing) = (settings.queue, pool.clone(), (pool.clone(), write_lock.clone()));
        let run = move |jobs: &Receiver<Ticket<Job>>, progress: &Progress| {
            serve(jobs, progress, ThreadConnection::reading(readers.clone()));
        };
        let reads = Workers::start("db-read", threads, Places::new(places), limits, queue("db-read"), run)?;
        let run = move |jobs: &Receiver<Ticket<Job>>, progress: &Progress| {
            let (pool, lock) = writing.clone();
            serve(jobs, progress, ThreadConnection::writing(pool, lock));
        };
        let writes = Workers::start("db-write", writing_threads, Places::new(places), limits, queue("db-write"), run)?;
        Ok(Self {
            target,
            pool,
            places,
            writers,
            limits,
            write_lock,
            metrics: metrics.clone(),
            reads: Arc::new(reads),
            writes: Arc::new(writes),
            _checkpoints: checkpoints,
        })
    }

    /// Returns which database this is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn connection(&self, writes: bool) -> ThreadConnection {
        if writes {
            ThreadConnection::writing(self.pool.clone(), self.write_lock.clone())
        } else {
            ThreadConnection::reading(self.pool.clone())
        }
    }

    /// Runs work that only reads, and may therefore be retried after the connection broke. With a `customer`, it counts
    /// towards that customer's share of the queue.
    ///
    /// # Errors
    /// See [`crate::db::DbError`].
    pub async fn read<T, W>(&self, customer: Option<CustomerId>, work: W) -> DbResult<T>
    where
        T: Send + 'static,
        W: FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
    {
        run(&self.reads, &self.metrics, customer, OnLoss::Repeat, work).await
    }

    /// Runs work that writes. It is retried on contention, when its transaction was rolled back, but not after a lost
    /// connection.
    ///
    /// # Errors
    /// See [`crate::db::DbError`].
    pub async fn write<T, W>(&self, customer: Option<CustomerId>, work: W) -> DbResult<T>
    where
        T: Send + 'static,
        W: FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
    {
        run(&self.writes, &self.metrics, customer, OnLoss::Report, work).await
    }
}

async fn run<T, W>(
    workers: &Workers<Job>,
    metrics: &Metrics,
    customer: Option<CustomerId>,
    on_loss: OnLoss,
    mut work: W,
) -> DbResult<T>
where
    T: Send + 'static,
    W: FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
{
    let job = |reply: threads::Reply<DbResult<T>>| -> Job {
        Box::new(move |connection| {
            let begin = connection.begin();
            reply.send(connection.run(on_loss, |connection| limited(connection, &begin, &mut work)));
        })
    };
    let reply = workers.submit(customer.map(CustomerId::get), job).await;
    count_reply(&reply, workers.metrics(), &metrics.database);
    reply?
}

fn serve(jobs: &Receiver<Ticket<Job>>, progress: &Progress, mut connection: ThreadConnection) {
    while !progress.is_replaced() {
        let ticket = jobs.recv_timeout(IDLE);
        if matches!(ticket, Err(RecvTimeoutError::Disconnected)) {
            return;
        }
        // Skips work whose client disconnected while it was queued.
        for (job, _, _place) in ticket.into_iter().filter_map(Ticket::begin) {
            progress.watch(|| job(&mut connection));
        }
        connection.hand_over_if_needed();
    }
}
