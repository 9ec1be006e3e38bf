//! The general lane: threads that each keep a connection, behind a bounded queue.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::checkpoint::Checkpoints;
use super::connection::{DbConnection, Target};
use super::error::{DbError, DbResult};
use super::link::Link;
use super::pool::{self, Pool};
use super::turn::Turn;
use crate::answers::Answer;
use crate::settings::Settings;
use crate::threads::{self, Threads};

type Job = Box<dyn FnOnce(&mut Link) + Send>;

/// The way to the database: cheap to clone, shared by all HTTP threads.
#[derive(Clone)]
pub struct Database {
    target: Target,
    pool: Pool,
    queue: usize,
    pub(super) turn: Turn,
    general: Arc<Threads<Job>>,
    /// SQLite only; ends when the last clone of the database goes.
    _checkpoints: Option<Arc<Threads<()>>>,
}

impl Database {
    /// Starts the threads; connections are opened when first needed. `lanes` is the number of batched
    /// lanes that will be started on the same pool.
    ///
    /// # Errors
    /// The operating system refused a thread, or to open SQLite's file.
    pub fn start(settings: &Settings, target: Target, lanes: usize) -> std::io::Result<Self> {
        let threads = match settings.database.threads {
            0 => (2 * threads::cores()).max(4),
            given => given,
        };
        let connections = threads + lanes * target.writers() + 1;
        let pool = pool::build(target.clone(), &settings.database, u32::try_from(connections).unwrap_or(u32::MAX));
        let link_pool = pool.clone();
        let general = Threads::start("db", threads, settings.database.queue, move |jobs: Receiver<Job>| {
            let mut link = Link::new(link_pool.clone());
            for job in jobs {
                job(&mut link);
            }
        })?;
        let (turn, checkpoints) = match &target {
            Target::Postgres(_) => (Turn::not_needed(), None),
            Target::Sqlite(path) => {
                let turn = Turn::one_at_a_time();
                let checkpoints = Checkpoints::of(path, pool.clone(), turn.clone())?;
                let thread = Threads::start("checkpoint", 1, 1, move |closed: Receiver<()>| checkpoints.keep(&closed))?;
                (turn, Some(Arc::new(thread)))
            }
        };
        let queue = settings.database.queue;
        Ok(Self { target, pool, queue, turn, general: Arc::new(general), _checkpoints: checkpoints })
    }

    /// Which database this is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How many requests may wait in a lane.
    pub(super) fn queue(&self) -> usize {
        self.queue
    }

    pub(super) fn link(&self) -> Link {
        Link::new(self.pool.clone())
    }

    /// Runs work that only reads, and may therefore run again when the connection broke.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn read<T, W>(&self, work: W) -> DbResult<T>
    where
        T: Send + 'static,
        W: FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
    {
        self.submit(|link, work| link.run(true, work), work).await
    }

    /// Runs work that writes: again on contention (its transaction was rolled back), not after a lost connection.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn write<T, W>(&self, work: W) -> DbResult<T>
    where
        T: Send + 'static,
        W: FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
    {
        let turn = self.turn.clone();
        self.submit(move |link, work| turn.take(|| link.run(false, work)), work).await
    }

    async fn submit<T, W, R>(&self, run: R, work: W) -> DbResult<T>
    where
        T: Send + 'static,
        W: FnMut(&mut DbConnection) -> DbResult<T> + Send + 'static,
        R: FnOnce(&mut Link, W) -> DbResult<T> + Send + 'static,
    {
        let (answer, outcome) = Answer::new();
        self.general.admit(Box::new(move |link| {
            // A client that went away while its work was queued is not worth a statement.
            answer.give_if_wanted(|| run(link, work));
        }))?;
        outcome.receive().await.unwrap_or_else(|| Err(DbError::Internal("a database thread dropped its work".into())))
    }
}
