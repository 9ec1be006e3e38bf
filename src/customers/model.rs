//! The customer as it is stored and as it is shown.

use chrono::NaiveDate;
use serde::Serialize;

use super::fields::PostalCode;

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
