//! Parses JSON one level at a time: members in order, each with its raw text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field_errors::{FieldCode, Violation};

/// A JSON value, parsed one level deep. An object keeps its raw text; an array is not parsed.
#[derive(Debug)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as it was written.
    Number(&'a str),
    /// A string.
    String(Cow<'a, str>),
    /// A string with half of a surrogate pair, which is not valid Unicode (RFC 8259 §8.2).
    InvalidText,
    /// `[…]`
    Array,
    /// `{…}`
    Object(&'a str),
}

impl<'a> Json<'a> {
    /// Parses the raw text of a valid JSON value.
    pub fn parse(raw: &'a str) -> Option<Self> {
        Some(match raw.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'[' => Self::Array,
            b'{' => Self::Object(raw),
            b'"' if !raw.contains('\\') => Self::String(Cow::Borrowed(raw.get(1..raw.len() - 1)?)),
            b'"' => serde_json::from_str(raw).map_or(Self::InvalidText, |text: String| Self::String(Cow::Owned(text))),
            _ => Self::Number(raw),
        })
    }

    /// Returns whether this is `null` or a blank string. Forms send an empty string for a field that was left out.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Null => true,
            Self::String(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// Returns the text, for fields that take a string.
    ///
    /// # Errors
    /// `null`, `type`, or `format` for a lone surrogate.
    pub fn text(&self) -> Result<&str, Violation> {
        match self {
            Self::String(text) => Ok(text),
            Self::Null => Err(Violation::null()),
            Self::InvalidText => Err(Violation::new(FieldCode::Format, "This is not valid Unicode text.")),
            _ => Err(Violation::wrong_type("a string")),
        }
    }
}

/// The members of a JSON object, in order.
#[derive(Debug)]
pub struct JsonObject<'a> {
    list: Vec<(Cow<'a, str>, &'a RawValue)>,
    duplicate: bool,
}

/// Why a text cannot be read as an object.
#[derive(Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON, or an object with a duplicate member.
    Malformed(String),
    /// JSON of another type.
    NotAnObject,
}

impl<'a> JsonObject<'a> {
    /// Parses an object.
    ///
    /// # Errors
    /// See [`JsonError`].
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        match serde_json::from_str::<Self>(text) {
            Ok(members) if members.duplicate => Err(JsonError::Malformed("Duplicate member.".into())),
            Ok(members) => Ok(members),
            Err(_) if serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| !raw.get().starts_with('{')) => {
                Err(JsonError::NotAnObject)
            }
            Err(error) => Err(JsonError::Malformed(format!(
                "The body is not JSON (line {}, column {}).",
                error.line(),
                error.column()
            ))),
        }
    }

    /// Returns whether there is a member with this name.
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(given, _)| given == name)
    }

    /// Iterates over the names and values of the members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.list.iter().filter_map(|(name, raw)| Json::parse(raw.get()).map(|value| (name.as_ref(), value)))
    }
}

impl<'de> Deserialize<'de> for JsonObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = JsonObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(8);
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    list.push((name.0, value));
                }
                let duplicate = has_duplicate(&list);
                Ok(JsonObject { list, duplicate })
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn has_duplicate(list: &[(Cow<'_, str>, &RawValue)]) -> bool {
    let mut names: Vec<&str> = list.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// A member's name, borrowed if it has no escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;

        impl<'de> Visitor<'de> for Borrowing {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_member_is_malformed_even_when_one_name_is_escaped() {
        assert!(matches!(JsonObject::parse(r#"{"a":1,"\u0061":2}"#), Err(JsonError::Malformed(_))));
    }

    #[test]
    fn json_of_another_type_is_told_from_what_is_not_json() {
        for text in ["[]", "1", "null", "\"x\"", "[[[[]]]]"] {
            assert_eq!(JsonObject::parse(text).err(), Some(JsonError::NotAnObject), "{text}");
        }
        for text in ["", "{", "[", "{\"a\":01}", "{} {}", "{'a':1}", "nul", "{\"a\":1,}"] {
            assert!(matches!(JsonObject::parse(text), Err(JsonError::Malformed(_))), "{text}");
        }
    }
}
