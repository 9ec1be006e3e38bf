//! A request body that is parsed and validated, or a problem: a handler never sees an unchecked value.
//!
//! A body is read member by member with the raw JSON text of each value, so that a number keeps its digits,
//! a duplicate member is noticed, and every field error of one body ends up in one reply.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::Problem;

/// The longest body, in bytes.
pub const LONGEST: usize = 64 * 1024;
/// What is read of a body that is too long, so that its sender hears the answer instead of a reset.
const DRAINED: usize = 16 * 1024 * 1024;
/// The most field errors that one reply lists.
const MOST_ERRORS: usize = 100;

/// What is wrong with one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldCode {
    /// Must be there.
    Required,
    /// Must not be `null`.
    Null,
    /// Another JSON type is expected.
    Type,
    /// The text is not of the expected form.
    Format,
    /// Too few characters.
    TooShort,
    /// Too many characters.
    TooLong,
    /// The value lies outside what is allowed.
    OutOfRange,
    /// No such member.
    UnknownField,
    /// Too easily guessed.
    PasswordWeak,
    /// Not the same as the field it repeats.
    Mismatch,
}

/// One row of a reply's `errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON pointer as a URI fragment (RFC 6901 §6).
    pub pointer: String,
    /// For programs.
    pub code: FieldCode,
    /// For people.
    pub detail: Cow<'static, str>,
}

/// A field error that does not know its place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: FieldCode,
    detail: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with its text for people.
    pub fn new(code: FieldCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The field must be there.
    pub fn required() -> Self {
        Self::new(FieldCode::Required, "This field is required.")
    }

    /// The field must not be `null`.
    pub fn null() -> Self {
        Self::new(FieldCode::Null, "This field must not be null.")
    }

    /// The field takes another JSON type.
    pub fn wrong_type(expected: &str) -> Self {
        Self::new(FieldCode::Type, format!("This must be {expected}."))
    }

    /// For people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// All that is wrong with a body so far.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes a refusal at a place.
    pub fn add(&mut self, pointer: impl Into<String>, refusal: Refusal) {
        if self.0.len() < MOST_ERRORS {
            self.0.push(FieldError { pointer: pointer.into(), code: refusal.code, detail: refusal.detail });
        }
    }

    /// Keeps a value, or notes why there is none.
    pub fn keep<T>(&mut self, pointer: &str, value: Result<T, Refusal>) -> Option<T> {
        value.map_err(|refusal| self.add(pointer, refusal)).ok()
    }

    /// The problem that lists them, unless there are none.
    ///
    /// # Errors
    /// [`Problem::Validation`].
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Problem::Validation(self.0)),
        }
    }
}

/// A JSON value, one level deep; what is inside an array or object stays raw.
#[derive(Debug)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// A number as its digits were sent.
    Number(&'a str),
    /// A string.
    String(Cow<'a, str>),
    /// A string that is no Unicode text: it holds half of a surrogate pair (RFC 8259 §8.2).
    NoText,
    /// `[…]`
    Array,
    /// `{…}`
    Object(&'a str),
}

impl<'a> Json<'a> {
    /// Sorts the raw text of one valid JSON value.
    pub fn parse(raw: &'a str) -> Option<Self> {
        Some(match raw.as_bytes().first()? {
            b'n' => Self::Null,
            b't' | b'f' => Self::Bool,
            b'[' => Self::Array,
            b'{' => Self::Object(raw),
            b'"' if !raw.contains('\\') => Self::String(Cow::Borrowed(raw.get(1..raw.len() - 1)?)),
            b'"' => serde_json::from_str(raw).map_or(Self::NoText, |text: String| Self::String(Cow::Owned(text))),
            _ => Self::Number(raw),
        })
    }

    /// The text, for fields that take a string.
    ///
    /// # Errors
    /// `null`, `type`, or `format` for a lone surrogate.
    pub fn text(&self) -> Result<&str, Refusal> {
        match self {
            Self::String(text) => Ok(text),
            Self::Null => Err(Refusal::null()),
            Self::NoText => Err(Refusal::new(FieldCode::Format, "This is not valid Unicode text.")),
            _ => Err(Refusal::wrong_type("a string")),
        }
    }
}

/// The members of a JSON object in their order.
#[derive(Debug)]
pub struct Members<'a> {
    list: Vec<(Cow<'a, str>, &'a RawValue)>,
    duplicate: bool,
}

/// Why a text is not an object with members.
#[derive(Debug, PartialEq, Eq)]
pub enum NotMembers {
    /// Not JSON, or a member stands in it twice.
    Malformed(String),
    /// JSON of another type.
    NoObject,
}

impl<'a> Members<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// See [`NotMembers`].
    pub fn parse(text: &'a str) -> Result<Self, NotMembers> {
        match serde_json::from_str::<Self>(text) {
            Ok(members) if members.duplicate => {
                Err(NotMembers::Malformed("A member stands in the object twice.".into()))
            }
            Ok(members) => Ok(members),
            Err(_) if serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| !raw.get().starts_with('{')) => {
                Err(NotMembers::NoObject)
            }
            Err(error) => Err(NotMembers::Malformed(format!(
                "The body is not JSON (line {}, column {}).",
                error.line(),
                error.column()
            ))),
        }
    }

    /// Name and value of each member.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.list.iter().filter_map(|(name, raw)| Json::parse(raw.get()).map(|value| (name.as_ref(), value)))
    }
}

impl Members<'_> {
    /// Notes which of these members are absent.
    pub fn require(&self, parent: &str, names: &[&str], errors: &mut FieldErrors) {
        for name in names.iter().filter(|name| !self.list.iter().any(|(given, _)| given == *name)) {
            errors.add(pointer(parent, name), Refusal::required());
        }
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(8);
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    list.push((name.0, value));
                }
                let duplicate = has_duplicate(&list);
                Ok(Members { list, duplicate })
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

/// A member's name, borrowed where it holds no escape.
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

/// A JSON pointer to a member, as a URI fragment: escaped as RFC 6901 §3 and §6 say, shortened where hostile.
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

/// What a body of one endpoint must be.
pub trait Body: Sized + 'static {
    /// Media types that are accepted.
    const MEDIA_TYPES: &'static [&'static str] = &["application/json"];

    /// Checks the members; what is wrong goes into `errors`, and then there is no value.
    ///
    /// # Errors
    /// An object inside the body holds a member twice.
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers>;

    /// Reads a whole body.
    ///
    /// # Errors
    /// 400 when it is not JSON, 422 with every field error otherwise.
    fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::MalformedJson("The body is not UTF-8.".into()))?;
        let mut errors = FieldErrors::default();
        let outcome = Members::parse(text).and_then(|members| Self::from_members(&members, &mut errors));
        match outcome {
            Ok(value) => errors.into_result(value),
            Err(NotMembers::Malformed(detail)) => Err(Problem::MalformedJson(detail.into())),
            Err(NotMembers::NoObject) => {
                errors.add("#", Refusal::wrong_type("an object"));
                errors.into_result(None)
            }
        }
    }
}

/// The extractor of a checked body.
pub struct Checked<T>(pub T);

impl<T: Body> FromRequest for Checked<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = check_media_type(request, T::MEDIA_TYPES);
        let timeout = request.app_data::<web::Data<BodyTimeout>>().map(|timeout| timeout.0);
        let payload = payload.take();
        async move {
            media_type?;
            let bytes = match timeout {
                Some(timeout) => {
                    actix_rt::time::timeout(timeout, collect(payload)).await.unwrap_or(Err(Problem::RequestTimeout))?
                }
                None => collect(payload).await?,
            };
            T::from_json(&bytes).map(Self)
        }
        .boxed_local()
    }
}

/// How long a client may take to send its body.
pub struct BodyTimeout(pub Duration);

fn check_media_type(request: &HttpRequest, accepted: &'static [&'static str]) -> Result<(), Problem> {
    let mut given = request.headers().get_all(CONTENT_TYPE);
    let (first, second) = (given.next(), given.next());
    let text = first.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    // RFC 8259 §11 gives JSON no charset parameter; UTF-8 is tolerated, another is not what would be read.
    let charset_fits = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    let fits = accepted.iter().any(|accepted| accepted.eq_ignore_ascii_case(essence));
    let encoded = request.headers().get("content-encoding").is_some_and(|coding| coding != "identity");
    if second.is_some() || !fits || !charset_fits || encoded {
        return Err(Problem::UnsupportedMediaType(accepted));
    }
    Ok(())
}

async fn collect(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    let mut drained = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::MalformedJson("The body broke off.".into()))?;
        if drained == 0 && body.len() + chunk.len() <= LONGEST {
            body.extend_from_slice(&chunk);
        } else {
            drained += chunk.len();
            if drained > DRAINED {
                break;
            }
        }
    }
    if drained > 0 { Err(Problem::BodyTooLarge) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_member_is_malformed_even_when_one_name_is_escaped() {
        assert!(matches!(Members::parse(r#"{"a":1,"\u0061":2}"#), Err(NotMembers::Malformed(_))));
    }

    #[test]
    fn json_of_another_type_is_told_from_what_is_not_json() {
        for text in ["[]", "1", "null", "\"x\"", "[[[[]]]]"] {
            assert_eq!(Members::parse(text).err(), Some(NotMembers::NoObject), "{text}");
        }
        for text in ["", "{", "[", "{\"a\":01}", "{} {}", "{'a':1}", "nul", "{\"a\":1,}"] {
            assert!(matches!(Members::parse(text), Err(NotMembers::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn a_pointer_to_a_hostile_name_stays_a_pointer() {
        assert_eq!(pointer("#/address", "a/b~c é"), "#/address/a~1b~0c%20%C3%A9");
    }
}
