//! What the commands read and print: options, the password on standard input, JSON.

use chrono::NaiveDate;

use crate::cli::{Failure, print};
use crate::customers::{self, Email, Name};
use crate::http::{Json, Violation};
use crate::ids::CustomerId;
use crate::passwords::Password;

/// An id.
pub(in crate::cli) fn parse_id(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).ok_or_else(|| "an id is a positive integer below 2^53".into())
}

/// What clap shows of a violation: its text.
pub(super) fn or_message<T>(parsed: Result<T, Violation>) -> Result<T, String> {
    parsed.map_err(|violation| violation.detail().to_owned())
}

/// An email, by the rules of the API.
pub(in crate::cli) fn parse_email(text: &str) -> Result<Email, String> {
    or_message(Email::parse(text))
}

/// A first name, by the rules of the API.
pub(super) fn parse_first_name(text: &str) -> Result<Name, String> {
    or_message(Name::first(text))
}

/// A last name, by the rules of the API.
pub(super) fn parse_last_name(text: &str) -> Result<Name, String> {
    or_message(Name::last(text))
}

/// A date of birth, by the rules of the API.
pub(super) fn parse_date(text: &str) -> Result<NaiveDate, String> {
    or_message(customers::date_of_birth(text))
}

/// Prints a value as JSON.
pub(in crate::cli) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?)
}

/// Reads a password, checks it like a registration does, with what is known about the customer, and hashes it.
pub(super) fn read_password(known: &[&str]) -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let text = line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned();
    let invalid = |violation: Violation| Failure::Usage(violation.detail().to_owned());
    let password = Password::to_set(&Json::String(text.into())).map_err(invalid)?;
    password.check_strength(known).map_err(invalid)?;
    password.hash().map_err(Failure::Failed)
}
