//! The customer as it is stored and as it is shown.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::PostalCode;

/// A customer as every reply shows one: six members in this order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// As typed.
    #[schema(example = "john@example.com")]
    pub email: String,
    /// First name.
    #[schema(example = "John")]
    pub first_name: String,
    /// Last name; may be empty.
    #[schema(example = "Doe")]
    pub last_name: String,
    /// Unique, made from the full name.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 80, example = "john-doe")]
    pub slug: String,
    /// A day, never a moment.
    #[schema(value_type = Option<String>, format = Date, required, example = "1990-01-15")]
    pub date_of_birth: Option<NaiveDate>,
    /// At most one.
    #[schema(required)]
    pub address: Option<Address>,
}

/// An address as a reply shows one.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    #[schema(example = "456 Oak Avenue")]
    pub street_address: String,
    /// A number where the text says the same.
    #[schema(required)]
    pub postal_code: Option<PostalCode>,
    /// City or town.
    #[schema(example = "Los Angeles")]
    pub city: String,
    /// State, province or region.
    #[schema(required, example = "California")]
    pub state: Option<String>,
    /// A full English name.
    #[schema(example = "United States")]
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
