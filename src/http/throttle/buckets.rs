//! Token buckets by key. A token can be taken and given back.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The most buckets. Beyond it, new keys are not counted until some buckets are full again.
const MOST_BUCKETS: usize = 200_000;
/// The period of most rates.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// How often a full table is searched for buckets to drop.
const SEARCHED_EVERY: Duration = Duration::from_secs(1);

/// The generic cell rate algorithm. A bucket is stored as the time at which it will be full again. Full buckets are not
/// stored.
pub(super) struct Buckets<K> {
    /// The time after which a bucket gets one token back.
    interval: Duration,
    /// The time after which an empty bucket is full.
    capacity: Duration,
    table: Mutex<Table<K>>,
}

struct Table<K> {
    full_at: HashMap<K, Instant>,
    searched: Option<Instant>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Creates buckets that hold `burst` tokens and get `rate` tokens in each `period`.
    pub(super) fn new(burst: u32, rate: u32, period: Duration) -> Self {
        let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN).get();
        let interval = period / positive(rate);
        let table = Mutex::new(Table { full_at: HashMap::new(), searched: None });
        Self { interval, capacity: interval.saturating_mul(positive(burst)), table }
    }

    /// Takes a token, or returns the time until there is one.
    pub(super) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut table = self.table.lock();
        let full_at = self.after_taking(&table, &key, now)?;
        if table.has_room(now) || table.full_at.contains_key(&key) {
            table.full_at.insert(key, full_at);
        }
        Ok(())
    }

    /// Checks whether there is a token without taking it, or returns the time until there is one.
    pub(super) fn peek(&self, key: &K, now: Instant) -> Result<(), Duration> {
        self.after_taking(&self.table.lock(), key, now).map(|_| ())
    }

    fn after_taking(&self, table: &Table<K>, key: &K, now: Instant) -> Result<Instant, Duration> {
        let full_at = table.full_at.get(key).copied().unwrap_or(now).max(now) + self.interval;
        let wait = (full_at - now).saturating_sub(self.capacity);
        if wait.is_zero() { Ok(full_at) } else { Err(wait) }
    }

    /// Gives a token back.
    pub(super) fn give_back(&self, key: &K) {
        if let Some(full_at) = self.table.lock().full_at.get_mut(key) {
            *full_at -= self.interval;
        }
    }

    /// Drops the buckets that are full.
    pub(super) fn forget_full(&self, now: Instant) {
        let mut table = self.table.lock();
        table.full_at.retain(|_, full_at| *full_at > now);
        table.full_at.shrink_to_fit();
    }
}

impl<K: Eq + Hash> Table<K> {
    fn has_room(&mut self, now: Instant) -> bool {
        let is_due = self.searched.is_none_or(|searched| now.duration_since(searched) >= SEARCHED_EVERY);
        if self.full_at.len() >= MOST_BUCKETS && is_due {
            self.searched = Some(now);
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        self.full_at.len() < MOST_BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_bucket_holds_its_burst_and_fills_at_its_rate() {
        let (buckets, start) = (Buckets::new(3, 6, MINUTE), Instant::now());
        for _ in 0..3 {
            assert_eq!(buckets.take("ann", start), Ok(()));
        }
        assert_eq!(buckets.take("ann", start), Err(Duration::from_secs(10)));
        assert_eq!(buckets.take("bob", start), Ok(()));
        // A refused attempt takes no token.
        assert_eq!(buckets.take("ann", at(start, 4)), Err(Duration::from_secs(6)));
        assert_eq!(buckets.take("ann", at(start, 10)), Ok(()));
        assert_eq!(buckets.take("ann", at(start, 10)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(buckets.take("ann", at(start, 1_000)), Ok(()));
        }
        assert!(buckets.take("ann", at(start, 1_000)).is_err());
    }

    #[test]
    fn a_token_that_is_given_back_can_be_taken_again() {
        let (buckets, start) = (Buckets::new(1, 1, MINUTE), Instant::now());
        for _ in 0..5 {
            assert_eq!(buckets.take("ann", start), Ok(()));
            assert!(buckets.take("ann", start).is_err());
            buckets.give_back(&"ann");
        }
        buckets.give_back(&"bob");
        // A bucket never holds more than its burst.
        buckets.give_back(&"ann");
        assert_eq!(buckets.take("ann", start), Ok(()));
        assert!(buckets.take("ann", start).is_err());
    }

    #[test]
    fn full_buckets_are_forgotten_and_no_more_are_kept_than_the_most() {
        let (buckets, start) = (Buckets::new(2, 60, MINUTE), Instant::now());
        for key in 0..=MOST_BUCKETS {
            assert_eq!(buckets.take(key, start), Ok(()));
        }
        assert_eq!(buckets.table.lock().full_at.len(), MOST_BUCKETS);
        // Stored buckets still count.
        assert_eq!((buckets.take(0, start).is_ok(), buckets.take(0, start).is_ok()), (true, false));
        assert_eq!(buckets.take(MOST_BUCKETS, at(start, 1)), Ok(()));
        assert_eq!(buckets.table.lock().full_at.len(), 2);
        buckets.forget_full(at(start, 10));
        assert_eq!(buckets.table.lock().full_at.len(), 0);
    }
}
