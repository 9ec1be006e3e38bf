//! When another batch may go beside one that is under way.
//!
//! A batch first works and then waits, for its commit and for the network. While it works the next one had better
//! gather and grow: each batch costs as much as eight rows do besides its own. Once it waits, that time is another
//! batch's. So now and then a batch runs in a transaction whose steps are timed, and the rest is known from that.
//! The numbers are in `docs/decisions/0013-several-batches-at-once.md`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::answers;

/// What takes longer is held up by something, a row that somebody locks for instance.
pub(super) const HELD_UP: Duration = Duration::from_millis(500);
/// How often a batch is timed, at most: it takes two round trips more.
const TIMED_EVERY: Duration = Duration::from_millis(100);
/// Measurements that are kept: a single slow commit says nothing.
const KEPT: usize = 5;
/// What a batch costs besides its rows, in rows.
const FIXED_COST: usize = 8;
/// When requests wait longer than this for an HTTP thread, processors are what is short.
const HTTP_IS_BEHIND: Duration = Duration::from_millis(5);

/// The measure of one lane.
pub(super) struct Pace {
    threads: usize,
    /// How long a row takes, in nanoseconds; zero while that is unknown: always, in a lane of one thread.
    row: AtomicU64,
    /// Whether batches wait longer than they work.
    mostly_waits: AtomicBool,
    measured: Mutex<Measured>,
}

struct Measured {
    next: Instant,
    last: [Measurement; KEPT],
    oldest: usize,
}

#[derive(Clone, Copy, Default)]
struct Measurement {
    /// Nanoseconds.
    row: u64,
    waited_longer: bool,
}

impl Pace {
    pub(super) fn for_threads(threads: usize) -> Self {
        let measured = Measured { next: Instant::now(), last: Default::default(), oldest: 0 };
        Self { threads, row: AtomicU64::new(0), mostly_waits: AtomicBool::new(false), measured: Mutex::new(measured) }
    }

    /// How long a batch of so many members has the database to itself. Another goes after that if it would be full, or
    /// where batches mostly wait; but not while HTTP is behind, which needs the processors more.
    pub(super) fn patience(&self, members: usize, next_is_full: bool) -> Duration {
        let row = self.row.load(Ordering::Relaxed);
        let is_worth_it = next_is_full || self.mostly_waits.load(Ordering::Relaxed);
        if row == 0 || !is_worth_it || answers::delay() > HTTP_IS_BEHIND {
            return HELD_UP;
        }
        Duration::from_nanos(row * (members + FIXED_COST) as u64).min(HELD_UP)
    }

    /// For a batch of so many members that starts now, if it is to be timed.
    pub(super) fn stopwatch(&self, members: usize) -> Option<Stopwatch<'_>> {
        if self.threads == 1 {
            return None;
        }
        let now = Instant::now();
        let mut measured = self.measured.try_lock()?;
        if now < measured.next {
            return None;
        }
        measured.next = now + TIMED_EVERY;
        Some(Stopwatch { pace: self, members, lap: now, round_trip: Duration::ZERO, work: Duration::ZERO })
    }

    /// The middle one of the rows' times counts, and batches wait mostly when all did: where processors are short,
    /// some commits take long although the disk does not.
    fn learn(&self, members: usize, work: Duration, wait: Duration) {
        let mut measured = self.measured.lock();
        let oldest = measured.oldest;
        let nanoseconds = u64::try_from(work.as_nanos()).unwrap_or(u64::MAX);
        measured.last[oldest] =
            Measurement { row: nanoseconds / (members + FIXED_COST) as u64, waited_longer: wait > work };
        measured.oldest = (oldest + 1) % KEPT;
        let mut rows = measured.last.map(|measurement| measurement.row);
        rows.sort_unstable();
        self.row.store(rows[KEPT / 2], Ordering::Relaxed);
        let mostly_waits = measured.last.iter().all(|measurement| measurement.waited_longer);
        if self.mostly_waits.swap(mostly_waits, Ordering::Relaxed) != mostly_waits {
            log::debug!("batches wait {} than they work", if mostly_waits { "longer" } else { "no longer" });
        }
    }
}

/// Times one batch: to be told of each step when it is done.
pub(super) struct Stopwatch<'a> {
    pace: &'a Pace,
    members: usize,
    lap: Instant,
    round_trip: Duration,
    work: Duration,
}

impl Stopwatch<'_> {
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.lap, now)
    }

    /// The transaction has begun, which takes the database no work: a round trip.
    pub(super) fn begun(&mut self) {
        self.round_trip = self.lap();
    }

    /// The statement is done.
    pub(super) fn applied(&mut self) {
        self.work = self.lap().saturating_sub(self.round_trip);
    }

    /// The commit is done.
    pub(super) fn committed(mut self) {
        let wait = self.lap();
        self.pace.learn(self.members, self.work, wait);
    }
}
