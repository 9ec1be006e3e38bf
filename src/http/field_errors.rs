//! Field errors: what is wrong with a body, and where.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, Schema};

/// The most field errors that one reply lists.
const MOST_ERRORS: usize = 100;

/// What is wrong with one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldCode {
    /// The field is missing.
    Required,
    /// The field must not be `null`.
    Null,
    /// The value has the wrong JSON type.
    Type,
    /// The text does not have the expected format.
    Format,
    /// Too few characters.
    TooShort,
    /// Too many characters.
    TooLong,
    /// The value is outside the allowed range.
    OutOfRange,
    /// There is no such member.
    UnknownField,
    /// The password is too easy to guess.
    PasswordWeak,
    /// The value differs from the field that it repeats.
    Mismatch,
    /// The value does not match the stored one, such as the current password.
    Incorrect,
    /// The value belongs to another customer.
    Taken,
    /// The value must be confirmed first.
    NeedsConfirmation,
}

/// The numbers behind a code, so that clients can build the message in another language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Params {
    /// The least allowed value or length.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = limit, required = false)]
    pub min: Option<Value>,
    /// The greatest allowed value or length.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = limit, required = false)]
    pub max: Option<Value>,
}

/// A number, or a day.
fn limit() -> Schema {
    let either = [Type::Integer, Type::String].into_iter().collect::<SchemaType>();
    ObjectBuilder::new().schema_type(either).build().into()
}

/// An error of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer as a URI fragment (RFC 6901 §6).
    #[schema(pattern = "^#(/.*)?$", example = "#/address/city")]
    pub pointer: String,
    /// For programs.
    pub code: FieldCode,
    /// The numbers of the code, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub params: Option<Params>,
    /// For people.
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
}

/// The error of a value, without the pointer to its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    code: FieldCode,
    params: Option<Params>,
    detail: Cow<'static, str>,
}

impl Violation {
    /// Creates an error with a message for people.
    pub fn new(code: FieldCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, params: None, detail: detail.into() }
    }

    /// Creates an error for a value beyond a limit.
    pub fn limit(code: FieldCode, detail: impl Into<Cow<'static, str>>, params: Params) -> Self {
        Self { params: Some(params), ..Self::new(code, detail) }
    }

    /// The text has fewer than `min` characters.
    pub fn too_short(min: u64) -> Self {
        let detail: Cow<'static, str> = match min {
            1 => "This field must not be empty.".into(),
            min => format!("At least {min} characters are required.").into(),
        };
        Self::limit(FieldCode::TooShort, detail, Params { min: Some(min.into()), max: None })
    }

    /// The text has more than `max` characters.
    pub fn too_long(max: u64) -> Self {
        let detail = format!("At most {max} characters are allowed.");
        Self::limit(FieldCode::TooLong, detail, Params { min: None, max: Some(max.into()) })
    }

    /// The value is outside the allowed range.
    pub fn out_of_range(detail: &'static str, min: impl Into<Value>, max: impl Into<Value>) -> Self {
        Self::limit(FieldCode::OutOfRange, detail, Params { min: Some(min.into()), max: Some(max.into()) })
    }

    /// The value belongs to another customer.
    pub fn taken(detail: &'static str) -> Self {
        Self::new(FieldCode::Taken, detail)
    }

    /// The field is missing.
    pub fn required() -> Self {
        Self::new(FieldCode::Required, "This field is required.")
    }

    /// The field must not be `null`.
    pub fn null() -> Self {
        Self::new(FieldCode::Null, "This field must not be null.")
    }

    /// The value has the wrong JSON type.
    pub fn wrong_type(expected: &str) -> Self {
        Self::new(FieldCode::Type, format!("This must be {expected}."))
    }

    /// Adds the pointer to the field.
    pub fn at(self, pointer: impl Into<String>) -> FieldError {
        let Self { code, params, detail } = self;
        FieldError { pointer: pointer.into(), code, params, detail }
    }

    /// Returns the message for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// The field errors of a body so far.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Adds an error, unless there are 100 already.
    pub fn add(&mut self, pointer: impl Into<String>, violation: Violation) {
        if self.0.len() < MOST_ERRORS {
            self.0.push(violation.at(pointer));
        }
    }

    /// Returns the value, or adds its error.
    pub fn keep<T>(&mut self, pointer: &str, value: Result<T, Violation>) -> Option<T> {
        value.map_err(|violation| self.add(pointer, violation)).ok()
    }

    /// Returns the errors in the order in which they were added.
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }

    /// Returns whether there are no errors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value if there are no errors.
    ///
    /// # Errors
    /// These errors.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

/// Returns a JSON pointer to a member as a URI fragment, escaped (RFC 6901 §3 and §6). A very long name is truncated.
pub fn pointer(parent: &str, member: &str) -> String {
    let mut pointer = format!("{parent}/");
    for c in member.chars().take(64) {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' => pointer.push(c),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| pointer.push_str(&format!("%{byte:02X}"))),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_to_a_hostile_name_stays_a_pointer() {
        assert_eq!(pointer("#/address", "a/b~c é"), "#/address/a~1b~0c%20%C3%A9");
    }
}
