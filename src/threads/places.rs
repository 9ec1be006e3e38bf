//! The capacity of a queue: a limit for all requests, and a smaller one for each customer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Rejected;

/// The places of one queue, or of several queues together.
pub(crate) struct Places {
    limit: usize,
    /// The maximum for one customer.
    share: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_customer: HashMap<i64, usize>,
}

/// A taken place. Dropping it frees the place.
pub(crate) struct Place {
    places: Arc<Places>,
    customer: Option<i64>,
}

impl Places {
    /// Creates places, of which one customer may take an eighth.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Self::with_share(limit, limit.div_ceil(8))
    }

    /// Creates places, of which one customer may take `share`.
    pub(crate) fn with_share(limit: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { limit, share, taken: Mutex::default() })
    }

    /// Takes a place. With a `customer`, it counts towards that customer's share.
    ///
    /// # Errors
    /// Returns [`Rejected::Full`], or [`Rejected::ShareTaken`] if the customer already has its share.
    pub(super) fn take(self: &Arc<Self>, customer: Option<i64>) -> Result<Place, Rejected> {
        let mut taken = self.taken.lock();
        if taken.all >= self.limit {
            return Err(Rejected::Full);
        }
        if let Some(customer) = customer {
            let own = taken.by_customer.entry(customer).or_default();
            if *own >= self.share {
                return Err(Rejected::ShareTaken);
            }
            *own += 1;
        }
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), customer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(customer) = self.customer
            && let Some(own) = taken.by_customer.get_mut(&customer)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_customer.remove(&customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_may_take_an_eighth_of_the_places_and_others_the_rest() {
        let places = Places::new(64);
        let own: Vec<_> = (0..8).map(|_| places.take(Some(1))).collect();
        assert!(own.iter().all(Result::is_ok));
        assert_eq!(places.take(Some(1)).err(), Some(Rejected::ShareTaken));
        let others: Vec<_> = (0..56).map(|_| places.take(None)).collect();
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(places.take(Some(2)).err(), Some(Rejected::Full));
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(1);
        for customer in [Some(1), Some(2), None] {
            assert!(places.take(customer).is_ok());
        }
        assert!(places.taken.lock().by_customer.is_empty());
    }
}
