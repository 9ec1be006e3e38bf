//! Passwords in plain text.

use std::ops::RangeInclusive;

use argon2::Argon2;
use unicode_normalization::UnicodeNormalization;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, Schema};

use super::hash::{Verification, argon2, hash, verify};
use super::strength;
use crate::http::{Json, Rule, Violation};

/// The allowed number of characters.
const LENGTH: RangeInclusive<usize> = 8..=256;

/// See [`Password::to_set`].
pub(crate) static NEW_PASSWORD: Rule<Password> =
    Rule { parse: Password::to_set, schema: || schema(*LENGTH.start(), "difference engine no 2") };
/// See [`Password::to_verify`].
pub(crate) static ANY_PASSWORD: Rule<Password> =
    Rule { parse: Password::to_verify, schema: || schema(0, "difference engine no 2") };

fn schema(min: usize, example: &str) -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(min)).max_length(Some(*LENGTH.end()));
    text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Password))).examples([example]).build().into()
}

/// A password in plain text. It implements neither `Debug` nor `Display`.
#[derive(Clone)]
pub struct Password {
    /// The password in Unicode NFC, because keyboards compose letters differently.
    normal: String,
    /// The password as it was sent, if that differs. A hash from another system may be of this form.
    sent: Option<String>,
}

impl Password {
    /// Parses a password to check against a hash. It may be shorter than a new one.
    ///
    /// # Errors
    /// `null`, `type`, `format`, `too_long`.
    pub fn to_verify(value: &Json<'_>) -> Result<Self, Violation> {
        Self::of_length(value, 0..=*LENGTH.end())
    }

    /// Parses a new password. Does not check its strength: see [`Password::check_strength`].
    ///
    /// # Errors
    /// `null`, `type`, `format`, `too_short`, `too_long`.
    pub fn to_set(value: &Json<'_>) -> Result<Self, Violation> {
        Self::of_length(value, LENGTH)
    }

    fn of_length(value: &Json<'_>, length: RangeInclusive<usize>) -> Result<Self, Violation> {
        let sent = value.text()?;
        let normal: String = sent.nfc().collect();
        match normal.chars().count() {
            count if count < *length.start() => Err(Violation::too_short(*length.start() as u64)),
            count if count > *length.end() => Err(Violation::too_long(*length.end() as u64)),
            _ => Ok(Self { sent: (sent != normal).then(|| sent.to_owned()), normal }),
        }
    }

    /// Returns the text in Unicode NFC.
    pub(super) fn normal(&self) -> &str {
        &self.normal
    }

    /// Returns whether both are the same text in NFC.
    pub fn equals(&self, other: &Self) -> bool {
        self.normal == other.normal
    }

    /// Hashes on the calling thread, for the command line.
    ///
    /// # Errors
    /// The operating system's random numbers failed.
    pub fn hash(&self) -> Result<String, String> {
        let argon2 = argon2().map_err(|error| error.to_string())?;
        hash(&argon2, &self.normal)
    }

    /// Checks the strength on the calling thread, given the `known` texts about the customer.
    ///
    /// # Errors
    /// `password_weak` with a hint.
    pub fn check_strength(&self, known: &[&str]) -> Result<(), Violation> {
        strength::check(&self.normal, known)
    }

    /// Checks the normalised password, then the password as it was sent. A hash that only the latter matches is
    /// outdated.
    pub(super) fn verify(&self, argon2: &Argon2<'_>, stored: &str) -> Verification {
        match verify(argon2, &self.normal, stored) {
            Verification::Wrong
                if self.sent.as_ref().is_some_and(|sent| verify(argon2, sent, stored) != Verification::Wrong) =>
            {
                Verification::Outdated
            }
            verification => verification,
        }
    }
}
