//! Ids: those of customers and sessions are positive integers below 2^53, so that JavaScript reads them exactly.

use std::fmt;

use chrono::{DateTime, TimeZone, Utc};

/// The first integer that is too large to be an id.
pub(crate) const ID_LIMIT: i64 = 1 << 53;
/// Bits below the milliseconds of a generated customer id.
const RANDOM_BITS: u32 = 12;
/// Bits below the microseconds of an entry's id.
const ENTRY_BITS: u32 = 10;

/// The id of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId(i64);

impl CustomerId {
    /// Returns the id, or `None` for a number that cannot be one.
    pub fn new(value: i64) -> Option<Self> {
        is_id(value).then_some(Self(value))
    }

    /// Parses the canonical decimal form: no sign, no leading zero.
    pub fn parse(text: &str) -> Option<Self> {
        parse(text).map(Self)
    }

    /// Generates an id from the milliseconds since 2026-01-01 and random low bits. The caller retries on a collision.
    pub fn generate() -> Self {
        let epoch: DateTime<Utc> = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().unwrap_or_default();
        let millis = (Utc::now() - epoch).num_milliseconds().max(0);
        let random = i64::from(rand::random_range(0..1_u32 << RANDOM_BITS));
        Self(((millis << RANDOM_BITS) | random).clamp(1, ID_LIMIT - 1))
    }

    /// Returns the number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl AsRef<i64> for CustomerId {
    fn as_ref(&self) -> &i64 {
        &self.0
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a session, chosen at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(i64);

impl SessionId {
    /// Returns the id, or `None` if the number is not a valid id.
    pub fn new(value: i64) -> Option<Self> {
        is_id(value).then_some(Self(value))
    }

    /// Generates a random id. The caller retries on a collision.
    pub fn generate() -> Self {
        Self(rand::random_range(1..ID_LIMIT))
    }

    /// Parses the canonical decimal form: no sign, no leading zero.
    pub fn parse(text: &str) -> Option<Self> {
        parse(text).map(Self)
    }

    /// Returns the number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a row in the history or in the outbox, and of a link: microseconds since 1970 and random low bits, so that
/// ids sort by time. JavaScript does not read it exactly; it is shown as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId(i64);

impl EntryId {
    /// The id of something that happens now.
    pub fn generate() -> Self {
        let random = i64::from(rand::random_range(0..1_u32 << ENTRY_BITS));
        Self(Self::least_at(Utc::now()).0 | random)
    }

    /// The least id of what happened at a moment or later.
    pub fn least_at(moment: DateTime<Utc>) -> Self {
        Self(moment.timestamp_micros().clamp(1, i64::MAX >> ENTRY_BITS) << ENTRY_BITS)
    }

    /// Returns when this happened, to the microsecond.
    pub(crate) fn moment(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0 >> ENTRY_BITS).unwrap_or_default()
    }

    /// The id this many places later, for what happens together.
    pub fn after(self, places: usize) -> Self {
        Self(self.0.saturating_add(i64::try_from(places).unwrap_or(i64::MAX)))
    }

    /// The id of a row, as stored.
    pub fn of_row(id: i64) -> Self {
        Self(id)
    }

    /// Returns the seconds from this id to a later one.
    pub fn seconds_before(self, later: Self) -> i64 {
        ((later.0 >> ENTRY_BITS) - (self.0 >> ENTRY_BITS)) / 1_000_000
    }

    /// Parses the canonical decimal form: no sign, no leading zero, at most 19 digits. An id beyond all others stays
    /// one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && text.len() <= 19;
        let number = text.parse::<u64>().ok().filter(|_| digits)?;
        Some(Self(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// Returns the number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_id(value: i64) -> bool {
    (1..ID_LIMIT).contains(&value)
}

fn parse(text: &str) -> Option<i64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|value| canonical && is_id(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_positive_integers_below_2_to_the_53_are_ids() {
        assert_eq!(CustomerId::parse("123").map(CustomerId::get), Some(123));
        assert!(CustomerId::parse("9007199254740991").is_some());
        for text in ["", "0", "-1", "+1", "01", "12abc", "9007199254740992", "99999999999999999999", " 1", "१"] {
            assert_eq!(CustomerId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ids_of_the_history_sort_by_time() {
        let moment = Utc::now();
        let (before, at) = (EntryId::least_at(moment - chrono::TimeDelta::microseconds(1)), EntryId::least_at(moment));
        assert!(before < at && before.after(1023) < at && at.after(1) > at);
        assert!(EntryId::generate() >= at);
        assert_eq!(EntryId::parse(&at.get().to_string()), Some(at));
        assert!(["", "0", "-1", "+1", "01", "10000000000000000000"].iter().all(|text| EntryId::parse(text).is_none()));
        assert!(
            EntryId::least_at(DateTime::<Utc>::MAX_UTC).get() > 0
                && EntryId::least_at(DateTime::<Utc>::MIN_UTC).get() > 0
        );
    }

    #[test]
    fn generated_ids_fit_and_differ() {
        let ids: std::collections::HashSet<_> = (0..100).map(|_| CustomerId::generate().get()).collect();
        assert!(ids.iter().all(|id| CustomerId::new(*id).is_some()));
        assert!(ids.len() > 50);
    }
}
