//! Natural batching: one thread takes all that waits, applies it as one unit, and answers each.
//!
//! Nothing waits for a batch to fill. Under low load a batch is one member; while the database works on a
//! batch the next one gathers, so under high load batches grow by themselves. The numbers are in
//! `docs/decisions/0005-batched-writes.md`. While one waits, another may be under way:
//! see `desk` and `docs/decisions/0013-several-batches-at-once.md`.

use std::slice;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use diesel::Connection;

use super::admission::Admission;
use super::connection::DbConnection;
use super::desk::Desk;
use super::error::{DbError, DbResult};
use super::executor::Database;
use super::link::Link;
use super::pace::{Pace, Stopwatch};
use super::turn::Turn;
use crate::answers::Answer;
use crate::threads::Threads;

/// How members of one kind are applied together.
pub trait Batch: Send + Sync + 'static {
    /// What a request puts in.
    type Member: Send + 'static;
    /// What it gets back.
    type Outcome: Send + 'static;

    /// The thread's name.
    const NAME: &'static str;
    /// The most members of one batch.
    const LIMIT: usize = 128;
    /// Whether a batch writes: SQLite's writers take turns.
    const WRITES: bool;

    /// Members of one key are never applied together, and keep their order of arrival. `None` goes with any other.
    fn key(member: &Self::Member) -> Option<i64>;

    /// Whether the member may be applied again when the connection broke and nobody knows what happened.
    fn repeatable(member: &Self::Member) -> bool;

    /// Applies all members in one commit; one outcome each, in order, after that commit.
    ///
    /// # Errors
    /// The database refused the unit as a whole and nothing was applied: each member will be tried alone.
    /// An error of one member (contention among them, which is tried again) stands in its place in the list.
    fn apply(connection: &mut DbConnection, members: &[Self::Member]) -> DbResult<Vec<DbResult<Self::Outcome>>>;
}

/// The bounded queue into the threads that batch.
pub struct Lane<B: Batch> {
    threads: Threads<Waiting<B>>,
    admission: Admission,
}

/// A member and who waits for its outcome.
pub(super) struct Waiting<B: Batch> {
    pub(super) member: B::Member,
    pub(super) answer: Answer<DbResult<B::Outcome>>,
}

impl<B: Batch> Lane<B> {
    /// Starts the lane's threads.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(database: &Database) -> std::io::Result<Self> {
        let source = database.clone();
        let turn = if B::WRITES { database.turn.clone() } else { Turn::not_needed() };
        let count = if B::WRITES { database.target().writers() } else { 1 };
        let desk = Arc::new(Desk::for_threads(count));
        let places = database.queue();
        let threads = Threads::start(B::NAME, count, places, move |waiting: Receiver<Waiting<B>>| {
            let mut link = source.link();
            while let Some((batch, under_way)) = desk.gather(&waiting) {
                turn.take(|| serve(&mut link, batch, desk.pace()));
                drop(under_way);
            }
        })?;
        Ok(Self { threads, admission: Admission::to_places(places) })
    }

    /// Whether a request is to be refused now, before anything is done for it.
    pub fn refuses(&self) -> bool {
        self.admission.refuses(self.threads.waiting())
    }

    /// Queues a member and waits for its outcome.
    ///
    /// # Errors
    /// [`DbError::Overloaded`] at once when the queue is full; else what became of the member.
    pub async fn submit(&self, member: B::Member) -> DbResult<B::Outcome> {
        let (answer, outcome) = Answer::new();
        self.threads.admit(Waiting { member, answer })?;
        outcome.receive().await.unwrap_or_else(|| Err(DbError::Internal("a batching thread dropped its work".into())))
    }
}

fn serve<B: Batch>(link: &mut Link, batch: Vec<Waiting<B>>, pace: &Pace) {
    let (members, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| (w.member, w.answer)).unzip();
    let outcomes = match members.as_slice() {
        [single] => vec![alone::<B>(link, single)],
        several => match together::<B>(link, several, pace) {
            Ok(outcomes) => outcomes,
            // Refused as a whole, by one member's conflict or panic or by a lost connection: each for itself now.
            Err(refusal) => return one_by_one::<B>(link, several, answers, &refusal),
        },
    };
    Answer::give_all(answers.into_iter().zip(outcomes));
}

fn together<B: Batch>(link: &mut Link, members: &[B::Member], pace: &Pace) -> DbResult<Vec<DbResult<B::Outcome>>> {
    let outcomes = link.once(|connection| match pace.stopwatch(members.len()) {
        Some(stopwatch) => timed::<B>(connection, members, stopwatch),
        None => B::apply(connection, members),
    })?;
    if outcomes.len() != members.len() {
        return Ok(members.iter().map(|_| Err(DbError::Internal("a batch lost an outcome".into()))).collect());
    }
    let again = |(outcome, member)| match outcome {
        Err(DbError::Contention(_)) => alone::<B>(link, member),
        outcome => outcome,
    };
    Ok(outcomes.into_iter().zip(members).map(again).collect())
}

/// Applies a batch in a transaction around it, so that the commit can be timed.
fn timed<B: Batch>(
    connection: &mut DbConnection,
    members: &[B::Member],
    mut stopwatch: Stopwatch<'_>,
) -> DbResult<Vec<DbResult<B::Outcome>>> {
    let outcomes = connection.transaction(|connection| {
        stopwatch.begun();
        let outcomes = B::apply(connection, members)?;
        stopwatch.applied();
        Ok::<_, DbError>(outcomes)
    })?;
    stopwatch.committed();
    Ok(outcomes)
}

/// Runs the members of a refused batch, and answers each as soon as it is done. Whom somebody's lock keeps waiting
/// comes last.
fn one_by_one<B: Batch>(
    link: &mut Link,
    members: &[B::Member],
    answers: Vec<Answer<DbResult<B::Outcome>>>,
    refusal: &DbError,
) {
    log::debug!("a batch of {} is run one by one: {refusal}", members.len());
    let lost = matches!(refusal, DbError::Unavailable(_));
    let mut kept_waiting = Vec::new();
    for (member, answer) in members.iter().zip(answers) {
        if lost && !B::repeatable(member) {
            answer.give(Err(DbError::Unavailable(refusal.to_string())));
            continue;
        }
        match link.once(|connection| apply_one::<B>(connection, member)) {
            Err(DbError::Contention(_)) => kept_waiting.push((member, answer)),
            Err(DbError::Unavailable(_)) if B::repeatable(member) => answer.give(alone::<B>(link, member)),
            outcome => answer.give(outcome),
        }
    }
    for (member, answer) in kept_waiting {
        answer.give(alone::<B>(link, member));
    }
}

fn alone<B: Batch>(link: &mut Link, member: &B::Member) -> DbResult<B::Outcome> {
    link.run(B::repeatable(member), |connection| apply_one::<B>(connection, member))
}

fn apply_one<B: Batch>(connection: &mut DbConnection, member: &B::Member) -> DbResult<B::Outcome> {
    let mut outcomes = B::apply(connection, slice::from_ref(member))?;
    outcomes.pop().unwrap_or_else(|| Err(DbError::Internal("a batch lost an outcome".into())))
}
