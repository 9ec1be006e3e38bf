//! Who may wait in a lane: a burst finds every place, a flood an eighth of them.
//!
//! A queue that stays full serves nobody sooner than a short one. It makes everyone in it wait longer, and what
//! thousands of waiting requests hold no longer fits the processor's caches, which slows down serving and refusing
//! alike. So a queue that has overflowed is a short one until a second has passed without a refusal. The numbers are
//! in `docs/decisions/0011-overload.md`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The part of the places that is left in a flood: with the default, two full batches.
const FLOOD_SHARE: usize = 8;
/// A flood is over when so long nobody had to be refused.
const CALM_AFTER: Duration = Duration::from_secs(1);

/// Whether a lane takes one more. It is told how many wait, and remembers only the flood.
pub(super) struct Admission {
    places: usize,
    places_in_flood: usize,
    started: Instant,
    /// Until when there is a flood: milliseconds from `started`, zero before the first.
    flood_until: AtomicU64,
}

impl Admission {
    pub(super) fn to_places(places: usize) -> Self {
        let places_in_flood = places.div_ceil(FLOOD_SHARE);
        Self { places, places_in_flood, started: Instant::now(), flood_until: AtomicU64::new(0) }
    }

    /// Whether one more is to be refused while so many wait.
    pub(super) fn refuses(&self, waiting: usize) -> bool {
        // Few wait, as usual: there is no need to know the time.
        waiting >= self.places_in_flood && self.refuses_at(self.started.elapsed(), waiting)
    }

    fn refuses_at(&self, now: Duration, waiting: usize) -> bool {
        let is_flood = now < Duration::from_millis(self.flood_until.load(Ordering::Relaxed));
        let places = if is_flood { self.places_in_flood } else { self.places };
        let refused = waiting >= places;
        if refused {
            let until = u64::try_from((now + CALM_AFTER).as_millis()).unwrap_or(u64::MAX);
            self.flood_until.store(until, Ordering::Relaxed);
        }
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_burst_finds_every_place() {
        let admission = Admission::to_places(2048);
        assert!((0..2048).all(|waiting| !admission.refuses(waiting)));
    }

    #[test]
    fn a_queue_that_overflowed_is_short_until_a_second_has_passed_without_a_refusal() {
        let admission = Admission::to_places(2048);
        assert!(admission.refuses_at(milliseconds(0), 2048));
        assert!(!admission.refuses_at(milliseconds(10), 255));
        assert!(admission.refuses_at(milliseconds(900), 256));
        // The refusal at 900 ms counts, not the first one.
        assert!(admission.refuses_at(milliseconds(1899), 256));
        assert!(!admission.refuses_at(milliseconds(2900), 2047));
        assert!(admission.refuses_at(milliseconds(2900), 2048));
    }

    #[test]
    fn somebody_is_admitted_to_a_queue_of_one_place_in_a_flood() {
        let admission = Admission::to_places(1);
        assert!(admission.refuses_at(milliseconds(0), 1));
        assert!(!admission.refuses_at(milliseconds(0), 0));
    }
}
