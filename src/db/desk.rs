//! The desk of a lane: one thread at a time gathers there, and it knows which batches are under way.
//!
//! Usually one batch is under way and the next gathers meanwhile. There is room for more where [`Pace`] has measured
//! that the database mostly waits, and when a batch is held up, by a row that somebody locks for instance: other
//! customers must not wait for that. Whose change is under way waits for it in every case, so that a customer's changes
//! keep their order.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::batching::{Batch, Waiting};
use super::pace::Pace;

/// A batch that takes longer is held up by something, and not counted when room is looked for.
const HELD_UP: Duration = Duration::from_millis(500);
/// Members that may be held back; beyond it no others are looked for behind them.
const MOST_HELD_BACK: usize = 1024;

/// So many single members in a row are a lone client's: it keeps one thread, and one connection whose caches are warm.
const LONE: u32 = 8;

/// What the threads of a lane share.
pub(super) struct Desk<B: Batch> {
    threads: usize,
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
        Self {
            threads,
            pace: Pace::for_threads(threads),
            state: Mutex::new(state),
            room: Condvar::new(),
            landed: bounded(1),
        }
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Waits until there is room and a first member, then takes what is there: one member or more, no two of one key,
    /// none of a key that is under way. `None` when the lane has closed and is empty.
    pub(super) fn gather(&self, waiting: &Receiver<Waiting<B>>) -> Option<(Vec<Waiting<B>>, UnderWay<'_, B>)> {
        let mut state = self.state.lock();
        while state.gathering || !self.has_room(&state) {
            // Looks again after a while: a batch that is held up makes room, and tells nobody.
            self.room.wait_for(&mut state, HELD_UP);
        }
        state.gathering = true;
        let gathered = self.first_batch(&mut state, waiting);
        state.gathering = false;
        let is_single = gathered.as_ref().is_some_and(|batch| batch.len() == 1) && state.under_way.is_empty();
        state.singles = if is_single { state.singles.saturating_add(1) } else { 0 };
        let batch = gathered.map(|batch| {
            let number = state.enter(&batch);
            (batch, UnderWay { desk: self, number })
        });
        if state.singles < LONE && self.has_room(&state) {
            self.room.notify_one();
        }
        batch
    }

    fn has_room(&self, state: &State<B>) -> bool {
        let (count, at_once) = (state.under_way.len(), self.pace.at_once());
        let in_time = || state.under_way.iter().filter(|batch| batch.since.elapsed() < HELD_UP).count();
        count < at_once || count < self.threads && in_time() < at_once
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

    fn enter(&mut self, batch: &[Waiting<B>]) -> u64 {
        self.last += 1;
        let keys = batch.iter().filter_map(|waiting| B::key(&waiting.member)).collect();
        self.under_way.push(Entry { number: self.last, since: Instant::now(), keys });
        self.last
    }
}
