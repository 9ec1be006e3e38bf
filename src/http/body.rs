//! Parses and validates request bodies before the handler runs, so a handler never sees an unchecked value.
//!
//! A body is read member by member from the raw JSON text of each value. So numbers keep their digits, duplicate
//! members are detected, and one reply lists all field errors.

use std::io::ErrorKind;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};
use utoipa::openapi::Schema;

use super::field_errors::{FieldErrors, Violation};
use super::json::{JsonError, JsonObject};
use super::members::{Member, object_schema, read_members};
use super::problem::Problem;
use super::request_body::LONGEST_BODY;

/// How much of a body that is too long is read, in bytes. Otherwise the client would see a reset instead of the reply.
const DRAINED: usize = 16 * 1024 * 1024;

/// The declaration of a request body.
pub trait Body: Sized + 'static {
    /// The name of the schema in the OpenAPI document.
    const NAME: &'static str;
    /// A valid body, in JSON.
    const EXAMPLE: &'static str;
    /// The accepted media types.
    const MEDIA_TYPES: &'static [&'static str] = &["application/json"];
    /// Whether undeclared members are allowed.
    const OPEN: bool = false;

    /// The valid members, before they are combined to a body.
    type Draft: Default + 'static;

    /// Returns the members that the body may have.
    fn members() -> &'static [Member<Self::Draft>];

    /// Builds the body after all members were read. `errors` has the errors of single members; rules about several
    /// members add theirs.
    fn finish(draft: Self::Draft, errors: &mut FieldErrors) -> Option<Self>;

    /// Describes the body.
    fn schema() -> Schema {
        object_schema(Self::members(), Self::OPEN)
    }

    /// Parses and validates a whole body.
    ///
    /// # Errors
    /// 400 if the body is not JSON or has a duplicate member, else 422 with every field error.
    fn from_json(bytes: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::MalformedJson("The body is not UTF-8.".into()))?;
        let mut errors = FieldErrors::default();
        let mut draft = Self::Draft::default();
        let read = JsonObject::parse(text)
            .and_then(|object| read_members(Self::members(), &object, "#", &mut draft, &mut errors));
        match read {
            Ok(()) => {
                let body = Self::finish(draft, &mut errors);
                Ok(errors.into_result(body)?)
            }
            Err(JsonError::Malformed(detail)) => Err(Problem::MalformedJson(detail.into())),
            Err(JsonError::NotAnObject) => {
                errors.add("#", Violation::wrong_type("an object"));
                Err(errors.into())
            }
        }
    }
}

/// Extracts a parsed and validated body.
pub struct ValidJson<T>(pub T);

impl<T: Body> FromRequest for ValidJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, T::MEDIA_TYPES);
        async move { T::from_json(&body.await?).map(Self) }.boxed_local()
    }
}

/// Reads a body of one of the `accepted` media types.
///
/// # Errors
/// 415, 413, 408, or 400 if the body ends early.
pub(crate) fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    accepted: &'static [&'static str],
) -> impl Future<Output = Result<BytesMut, Problem>> + use<> {
    let media_type = check_media_type(request, accepted);
    let payload = payload.take();
    async move {
        media_type?;
        collect(payload).await
    }
}

fn check_media_type(request: &HttpRequest, accepted: &'static [&'static str]) -> Result<(), Problem> {
    let mut given = request.headers().get_all(CONTENT_TYPE);
    let (first, second) = (given.next(), given.next());
    let text = first.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    // JSON has no charset parameter (RFC 8259 §11). UTF-8 is tolerated; any other charset would be misread.
    let charset_fits = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
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
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Io(error) if error.kind() == ErrorKind::TimedOut => Problem::RequestTimeout,
            _ => Problem::MalformedJson("The body ended early.".into()),
        })?;
        if drained == 0 && body.len() + chunk.len() <= LONGEST_BODY {
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
