//! The desk of a lane: one thread at a time gathers there, and it knows which batches are under way.
//!
//! Usually one batch is under way and the next gathers meanwhile. Another may go beside it when that one only waits, as
//! far as [`Pace`] can tell, and when it is held up: other customers must not wait for that. Whoever has a change under
//! way waits for it in every case, so that each customer's changes keep their order.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::batching::{Batch, Waiting};
use super::pace::{HELD_UP, Pace};

/// Members that may be held back; beyond it no others are looked for behind them.
const MOST_HELD_BACK: usize = 1024;

/// So many single members in a row are a lone client's: it keeps one thread, and one connection whose caches are warm.
const LONE: u32 = 8;

/// What the threads of a lane share.
pub(super) struct Desk<B: Batch> {
    pace: Pace,
    state: Mutex<State<B>>,
    /// There is room for another batch, and nobody gathers it.
    room: Condvar,
    /// A batch has landed since the gathering thread last looked.
    landed: (Sender<()>, Receiver<()>),
}

struct State<B: Batch> {
    /// Whether a thread waits for members.
    gathering: bool,
    /// Members that came and may not go yet, in the order of arrival.
    held_back: VecDeque<Waiting<B>>,
    under_way: Vec<Entry>,
    /// The number of the last batch.
    last: u64,
    /// How many batches in a row were of one member, with no other under way.
    singles: u32,
}

struct Entry {
    number: u64,
    since: Instant,
    keys: Vec<i64>,
}

/// A batch is under way until this is dropped.
pub(super) struct UnderWay<'a, B: Batch> {
    desk: &'a Desk<B>,
    number: u64,
}

impl<B: Batch> Drop for UnderWay<'_, B> {
    fn drop(&mut self) {
        let mut state = self.desk.state.lock();
        state.under_way.retain(|batch| batch.number != self.number);
        drop(state);
        // Full: the gathering thread has not looked since another landed.
        let _ = self.desk.landed.0.try_send(());
    }
}

impl<B: Batch> Desk<B> {
    pub(super) fn for_threads(threads: usize) -> Self {
        let state = State { gathering: false, held_back: VecDeque::new(), under_way: Vec::new(), last: 0, singles: 0 };
        Self { pace: Pace::for_threads(threads), state: Mutex::new(state), room: Condvar::new(), landed: bounded(1) }
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Waits until there is room and a first member, then takes what is there: one member or more, no two of one key,
    /// none of a key that is under way. `None` when the lane has closed and is empty.
    pub(super) fn gather(&self, waiting: &Receiver<Waiting<B>>) -> Option<(Vec<Waiting<B>>, UnderWay<'_, B>)> {
        let mut state = self.state.lock();
        loop {
            let wait = if state.gathering { HELD_UP } else { self.until_room(&state, waiting) };
            if wait.is_zero() {
                break;
            }
            self.room.wait_for(&mut state, wait);
        }
        state.gathering = true;
        let gathered = self.first_batch(&mut state, waiting);
        state.gathering = false;
        let Some(batch) = gathered else {
            // The lane has closed: the other threads are to end, too.
            self.room.notify_one();
            return None;
        };
        let is_single = batch.len() == 1 && state.under_way.is_empty();
        state.singles = if is_single { state.singles.saturating_add(1) } else { 0 };
        let number = state.enter(&batch);
        // Another thread had better watch for room, if there may be some before this batch lands.
        if self.patience(&state, batch.len(), state.backlog(waiting) >= B::LIMIT / 2) < HELD_UP {
            self.room.notify_one();
        }
        Some((batch, UnderWay { desk: self, number }))
    }

    /// How long it takes until another batch may go; zero if it may now.
    fn until_room(&self, state: &State<B>, waiting: &Receiver<Waiting<B>>) -> Duration {
        let next_is_full = state.backlog(waiting) >= B::LIMIT;
        let left =
            |batch: &Entry| self.patience(state, batch.keys.len(), next_is_full).saturating_sub(batch.since.elapsed());
        state.under_way.iter().map(left).max().unwrap_or_default()
    }

    fn patience(&self, state: &State<B>, members: usize, next_is_full: bool) -> Duration {
        if state.singles >= LONE { HELD_UP } else { self.pace.patience(members, next_is_full) }
    }

    fn first_batch(
        &self,
        state: &mut MutexGuard<'_, State<B>>,
        waiting: &Receiver<Waiting<B>>,
    ) -> Option<Vec<Waiting<B>>> {
        loop {
            let batch = state.take(waiting);
            if !batch.is_empty() {
                return Some(batch);
            }
            let held_back = state.held_back.len();
            let landed = &self.landed.1;
            let next = MutexGuard::unlocked(state, || match held_back {
                0 => waiting.recv().map(Some),
                // All who came wait for an earlier change of their own.
                1..MOST_HELD_BACK => select! {
                    recv(waiting) -> next => next.map(Some).or_else(|_| landed.recv().map(|()| None)),
                    recv(landed) -> landed => landed.map(|()| None),
                },
                MOST_HELD_BACK.. => landed.recv().map(|()| None),
            });
            state.held_back.extend(next.ok()?);
        }
    }
}

impl<B: Batch> State<B> {
    /// Takes those who may go now, in the order of arrival.
    fn take(&mut self, waiting: &Receiver<Waiting<B>>) -> Vec<Waiting<B>> {
        let mut batch: Vec<Waiting<B>> = Vec::with_capacity(B::LIMIT.min(self.held_back.len() + waiting.len()));
        let mut busy: HashSet<i64> = self.under_way.iter().flat_map(|batch| &batch.keys).copied().collect();
        let mut arrivals = std::mem::take(&mut self.held_back);
        while batch.len() < B::LIMIT && self.held_back.len() < MOST_HELD_BACK {
            let Some(next) = arrivals.pop_front().or_else(|| waiting.try_recv().ok()) else {
                break;
            };
            // A client that went away before its work began changes nothing, for itself or for others.
            if next.answer.is_unwanted() {
                continue;
            }
            match B::key(&next.member) {
                Some(key) if !busy.insert(key) => self.held_back.push_back(next),
                _ => batch.push(next),
            }
        }
        self.held_back.append(&mut arrivals);
        batch
    }

    /// How many wait.
    fn backlog(&self, waiting: &Receiver<Waiting<B>>) -> usize {
        self.held_back.len() + waiting.len()
    }

    fn enter(&mut self, batch: &[Waiting<B>]) -> u64 {
        self.last += 1;
        let keys = batch.iter().filter_map(|waiting| B::key(&waiting.member)).collect();
        self.under_way.push(Entry { number: self.last, since: Instant::now(), keys });
        self.last
    }
}
