//! Postal codes. They are stored as text, which keeps leading zeros, and serialised as a number where that is
//! equivalent.

use serde::{Serialize, Serializer};

use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::text;
use crate::http::{FieldCode, Json, Rule, Violation};

/// See [`PostalCode::parse`].
pub(crate) static POSTAL_CODE: Rule<PostalCode> = Rule { parse: PostalCode::parse, schema };

fn schema() -> Schema {
    let code = ObjectBuilder::new().schema_type([Type::Integer, Type::String].into_iter().collect::<SchemaType>());
    let code = code.minimum(Some(0)).maximum(Some(999_999_999)).min_length(Some(1)).max_length(Some(16));
    let code = code.pattern(Some(r"^[\p{Alphabetic}\p{N} -]+$"));
    code.description(Some("An integer if the text is the plain decimal form of one.")).build().into()
}

impl PartialSchema for PostalCode {
    fn schema() -> RefOr<Schema> {
        schema().into()
    }
}

impl ToSchema for PostalCode {}

/// The most digits of a code that is serialised as a number. Every client reads such a number exactly.
const NUMBER_DIGITS: usize = 9;

/// A postal code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostalCode(String);

impl PostalCode {
    /// Parses a JSON integer from 0 to 999999999, or a string of 1 to 16 letters, digits, spaces and hyphens.
    ///
    /// # Errors
    /// `out_of_range` for other numbers, `type` for other JSON, `format`, `too_short`, `too_long` for strings.
    pub(crate) fn parse(json: &Json<'_>) -> Result<Self, Violation> {
        match json {
            Json::Number(digits) if is_number(digits) => Ok(Self((*digits).to_owned())),
            Json::Number(_) => {
                Err(Violation::out_of_range("A number must be an integer from 0 to 999999999.", 0, 999_999_999))
            }
            Json::String(text) => Self::from_text(text),
            Json::InvalidText => json.text().and_then(Self::from_text),
            _ => Err(Violation::new(FieldCode::Type, "This must be an integer or a string.")),
        }
    }

    fn from_text(given: &str) -> Result<Self, Violation> {
        let code = text::normalise(given, 1..=16)?;
        if !code.chars().all(|c| c.is_alphanumeric() || c == ' ' || c == '-') {
            return Err(Violation::new(FieldCode::Format, "Use letters, digits, spaces and hyphens only."));
        }
        Ok(Self(code))
    }

    /// Returns the text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Wraps a text from the database without checking it.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }
}

/// Returns whether the text is the plain decimal form of a number of at most [`NUMBER_DIGITS`] digits: no sign, no
/// leading zero.
fn is_number(text: &str) -> bool {
    (1..=NUMBER_DIGITS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

impl Serialize for PostalCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.parse::<u32>() {
            Ok(number) if is_number(&self.0) => serializer.serialize_u32(number),
            _ => serializer.serialize_str(&self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(json: &str) -> Option<String> {
        let value = Json::parse(json)?;
        PostalCode::parse(&value).ok().and_then(|code| serde_json::to_string(&code).ok())
    }

    #[test]
    fn no_value_changes_on_a_round_trip() {
        for json in ["54321", "0", "999999999", "\"02134\"", "\"SW1A 1AA\"", "\"00-950\"", "\"1234567890\""] {
            assert_eq!(round_trip(json).as_deref(), Some(json));
        }
        assert_eq!(round_trip("\"54321\"").as_deref(), Some("54321"));
    }

    #[test]
    fn other_numbers_and_types_are_refused() {
        for json in [
            "-1",
            "-0",
            "1.5",
            "1.0",
            "1e3",
            "1e400",
            "1000000000",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\"a_b\"",
            "\"12345678901234567\"",
        ] {
            assert_eq!(round_trip(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_as_the_same_code(code in "[0-9A-Za-z]{1,16}|[0-9]{1,12}") {
            let serialised = round_trip(&format!("\"{code}\""));
            let again = serialised.as_deref().and_then(round_trip);
            prop_assert!(serialised.is_some());
            prop_assert_eq!(again, serialised);
        }
    }
}
