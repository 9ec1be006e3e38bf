//! The customer as it is stored and as it is shown.

use std::fmt;

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use serde::Serialize;

use super::postal_code::PostalCode;

/// A positive integer below 2^53, so that JavaScript reads it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId(i64);

/// Bits below the milliseconds of a generated id.
const RANDOM_BITS: u32 = 12;
/// Ids of every kind lie below it.
pub(crate) const ID_LIMIT: i64 = 1 << 53;

impl CustomerId {
    /// The id, if it can be one.
    pub fn new(value: i64) -> Option<Self> {
        is_id(value).then_some(Self(value))
    }

    /// Reads the canonical decimal form: no sign, no leading zero.
    pub fn parse(text: &str) -> Option<Self> {
        parse_id(text).map(Self)
    }

    /// Makes one from the milliseconds since 2026-01-01 and random low bits; a collision is tried anew by the caller.
    pub fn generate() -> Self {
        let epoch: DateTime<Utc> = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().unwrap_or_default();
        let millis = (Utc::now() - epoch).num_milliseconds().max(0);
        let random = i64::from(rand::random_range(0..1_u32 << RANDOM_BITS));
        Self(((millis << RANDOM_BITS) | random).clamp(1, ID_LIMIT - 1))
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

fn is_id(value: i64) -> bool {
    (1..ID_LIMIT).contains(&value)
}

/// Reads an id of any kind in its canonical decimal form.
pub(crate) fn parse_id(text: &str) -> Option<i64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|value| canonical && is_id(*value))
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

/// A customer as every reply shows one: six members in this order.
#[derive(Clone, Debug, Serialize)]
pub struct Customer {
    /// As typed.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// Unique, made from the full name.
    pub slug: String,
    /// A day, never a moment.
    pub date_of_birth: Option<NaiveDate>,
    /// At most one.
    pub address: Option<Address>,
}

/// An address as a reply shows one.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    /// Street and number.
    pub street_address: String,
    /// A number where the text says the same.
    pub postal_code: Option<PostalCode>,
    /// City or town.
    pub city: String,
    /// State, province or region.
    pub state: Option<String>,
    /// A full English name.
    pub country: String,
}

/// A customer and the version that its entity tag names.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// Raised by each change.
    pub version: i64,
    /// What is shown.
    pub customer: Customer,
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
    fn generated_ids_fit_and_differ() {
        let ids: std::collections::HashSet<_> = (0..100).map(|_| CustomerId::generate().get()).collect();
        assert!(ids.iter().all(|id| CustomerId::new(*id).is_some()));
        assert!(ids.len() > 50);
    }
}
