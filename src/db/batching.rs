//! Natural batching: one thread takes all that waits, applies it as one unit, and answers each.
//!
//! Nothing waits for a batch to fill. Under low load a batch is one member; while the database works on a
//! batch the next one gathers, so under high load batches grow by themselves. The numbers are in
//! `docs/decisions/0005-batched-writes.md`.

use std::collections::VecDeque;
use std::slice;

use crossbeam_channel::Receiver;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};
use super::executor::Database;
use super::link::Link;
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
    const LIMIT: usize = 64;
    /// Whether a batch writes: SQLite's writers take turns.
    const WRITES: bool;

    /// Members of one key never share a batch, and keep their order of arrival. `None` goes with any other.
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

/// The bounded queue into one batching thread.
pub struct Lane<B: Batch> {
    threads: Threads<Waiting<B>>,
}

struct Waiting<B: Batch> {
    member: B::Member,
    answer: Answer<DbResult<B::Outcome>>,
}

impl<B: Batch> Lane<B> {
    /// Starts the lane's thread.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(database: &Database) -> std::io::Result<Self> {
        let source = database.clone();
        let capacity = database.queue();
        let turn = if B::WRITES { database.turn.clone() } else { Turn::not_needed() };
        let threads = Threads::start(B::NAME, 1, capacity, move |waiting: Receiver<Waiting<B>>| {
            let mut link = source.link();
            let mut held_back = VecDeque::new();
            while let Some(batch) = gather(&waiting, &mut held_back) {
                turn.take(|| serve(&mut link, batch));
            }
        })?;
        Ok(Self { threads })
    }

    /// Whether a member would be refused now.
    pub fn is_full(&self) -> bool {
        self.threads.is_full()
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

/// Waits for a first member, then takes what is there. `None` when the lane has closed and is empty.
fn gather<B: Batch>(waiting: &Receiver<Waiting<B>>, held_back: &mut VecDeque<Waiting<B>>) -> Option<Vec<Waiting<B>>> {
    let mut batch: Vec<Waiting<B>> = Vec::with_capacity(B::LIMIT.min(held_back.len() + waiting.len() + 1));
    let mut arrivals = std::mem::take(held_back);
    if arrivals.is_empty() {
        arrivals.push_back(waiting.recv().ok()?);
    }
    while batch.len() < B::LIMIT {
        let Some(next) = arrivals.pop_front().or_else(|| waiting.try_recv().ok()) else {
            break;
        };
        // A client that went away before its work began changes nothing, for itself or for others.
        if next.answer.is_unwanted() {
            continue;
        }
        let key = B::key(&next.member);
        let same = |other: &Waiting<B>| key.is_some() && B::key(&other.member) == key;
        if batch.iter().any(same) || held_back.iter().any(same) {
            held_back.push_back(next);
            if held_back.len() >= B::LIMIT {
                break;
            }
        } else {
            batch.push(next);
        }
    }
    held_back.append(&mut arrivals);
    Some(batch)
}

fn serve<B: Batch>(link: &mut Link, batch: Vec<Waiting<B>>) {
    let (members, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| (w.member, w.answer)).unzip();
    let outcomes = match members.as_slice() {
        [] => return,
        [single] => vec![alone::<B>(link, single)],
        several => together::<B>(link, several),
    };
    Answer::give_all(answers.into_iter().zip(outcomes));
}

fn together<B: Batch>(link: &mut Link, members: &[B::Member]) -> Vec<DbResult<B::Outcome>> {
    let outcomes = match link.once(|connection| B::apply(connection, members)) {
        Ok(outcomes) if outcomes.len() == members.len() => outcomes,
        Ok(_) => members.iter().map(|_| Err(DbError::Internal("a batch lost an outcome".into()))).collect(),
        // Refused as a whole, by one member's conflict or panic or by a lost connection: each for itself now.
        Err(refusal) => {
            log::debug!("a batch of {} is run one by one: {refusal}", members.len());
            let lost = matches!(refusal, DbError::Unavailable(_));
            return members
                .iter()
                .map(|member| match lost && !B::repeatable(member) {
                    true => Err(DbError::Unavailable(refusal.to_string())),
                    false => alone::<B>(link, member),
                })
                .collect();
        }
    };
    let again = |(outcome, member)| match outcome {
        Err(DbError::Contention(_)) => alone::<B>(link, member),
        outcome => outcome,
    };
    outcomes.into_iter().zip(members).map(again).collect()
}

fn alone<B: Batch>(link: &mut Link, member: &B::Member) -> DbResult<B::Outcome> {
    link.run(B::repeatable(member), |connection| {
        let mut outcomes = B::apply(connection, slice::from_ref(member))?;
        outcomes.pop().unwrap_or_else(|| Err(DbError::Internal("a batch lost an outcome".into())))
    })
}
