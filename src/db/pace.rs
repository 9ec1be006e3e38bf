//! How many batches of a lane are under way at once, unless one is held up.
//!
//! One, where the database works most of the time: a batch has it to itself, and the next grows meanwhile. Each batch
//! costs as much as eight rows do besides its own. Where the database mostly waits, for a slow disk or for the network,
//! that time is better spent on another batch. So now and then the commit of a batch is timed against the statement
//! before it. The numbers are in `docs/decisions/0013-several-batches-at-once.md`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often a commit is timed, at most: that batch takes two round trips more.
const TIMED_EVERY: Duration = Duration::from_millis(100);
/// The middle one of so many counts: a single slow commit says nothing.
const KEPT: usize = 5;

/// The measure of one lane.
pub(super) struct Pace {
    threads: usize,
    at_once: AtomicUsize,
    measured: Mutex<Measured>,
}

struct Measured {
    next: Instant,
    /// How many times as long as it worked the database waited, the last times.
    waits: [f64; KEPT],
    oldest: usize,
}

impl Pace {
    /// One at once, to begin with.
    pub(super) fn for_threads(threads: usize) -> Self {
        let measured = Measured { next: Instant::now(), waits: [0.0; KEPT], oldest: 0 };
        Self { threads, at_once: AtomicUsize::new(1), measured: Mutex::new(measured) }
    }

    /// How many batches may be under way.
    pub(super) fn at_once(&self) -> usize {
        self.at_once.load(Ordering::Relaxed)
    }

    /// For a batch that starts now, if it is to be timed.
    pub(super) fn stopwatch(&self) -> Option<Stopwatch<'_>> {
        if self.threads == 1 {
            return None;
        }
        let now = Instant::now();
        let mut measured = self.measured.try_lock()?;
        if now < measured.next {
            return None;
        }
        measured.next = now + TIMED_EVERY;
        Some(Stopwatch { pace: self, lap: now, round_trip: Duration::ZERO, work: Duration::ZERO })
    }

    /// Beside a batch there is room for as many as its wait is longer than its work, rounded.
    fn learn(&self, work: Duration, wait: Duration) {
        let mut measured = self.measured.lock();
        let oldest = measured.oldest;
        measured.waits[oldest] = wait.as_secs_f64() / work.as_secs_f64().max(f64::EPSILON);
        measured.oldest = (oldest + 1) % KEPT;
        let mut waits = measured.waits;
        waits.sort_by(f64::total_cmp);
        let at_once = (waits[KEPT / 2].round() as usize).clamp(1, self.threads);
        if self.at_once.swap(at_once, Ordering::Relaxed) != at_once {
            log::debug!("{at_once} batches at once from now on");
        }
    }
}

/// Times one batch: to be told of each step when it is done.
pub(super) struct Stopwatch<'a> {
    pace: &'a Pace,
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
        self.pace.learn(self.work, wait);
    }
}
