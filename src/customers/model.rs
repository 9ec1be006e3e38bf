//! The customer as replies show it.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::PostalCode;

/// A customer in a reply: always these six members, in this order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// As the customer typed it.
    #[schema(example = "john@example.com")]
    pub email: String,
    /// First name.
    #[schema(example = "John")]
    pub first_name: String,
    /// Last name; may be empty.
    #[schema(example = "Doe")]
    pub last_name: String,
    /// Unique, derived from the full name.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 80, example = "john-doe")]
    pub slug: String,
    /// A calendar date, without a time zone.
    #[schema(value_type = Option<String>, format = Date, required, example = "1990-01-15")]
    pub date_of_birth: Option<NaiveDate>,
    /// The postal address.
    #[schema(required)]
    pub address: Option<Address>,
}

/// An address in a reply.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    #[schema(example = "456 Oak Avenue")]
    pub street_address: String,
    /// A number if the text is the plain decimal form of one.
    #[schema(required)]
    pub postal_code: Option<PostalCode>,
    /// City or town.
    #[schema(example = "Los Angeles")]
    pub city: String,
    /// State, province or region.
    #[schema(required, example = "California")]
    pub state: Option<String>,
    /// The full English name.
    #[schema(example = "United States")]
    pub country: String,
}

/// A customer with the version that is its entity tag.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// Increased by each change.
    pub version: i64,
    /// The customer.
    pub customer: Customer,
}
