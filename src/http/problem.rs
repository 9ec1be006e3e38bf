//! The outcomes of a request besides success, and their replies: problem details (RFC 9457).
//!
//! A handler returns a [`Problem`] as its error. `http::respond` writes the body, so the framework's own errors look
//! the same and every body has the request id. It logs the cause of a 5xx once; clients never see it.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::field_errors::{FieldError, FieldErrors, Violation};
use crate::db::DbError;
use crate::tokens::InvalidToken;

/// The media type of every error body.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

const EMAIL_TAKEN: &str = "Another account uses this email address.";

/// Why a request did not succeed.
#[derive(Debug)]
pub enum Problem {
    /// 400: the body is not JSON, or has a duplicate member.
    MalformedJson(Cow<'static, str>),
    /// 400: a form of the account pages is not UTF-8, repeats a field, or has no known action.
    MalformedForm,
    /// 400: a header has invalid syntax.
    MalformedHeader(&'static str),
    /// 400: the link was used, has ended, or never was one. Clients do not learn which.
    LinkInvalid,
    /// 401: there is no bearer token.
    TokenMissing,
    /// 401: the token is not valid. Clients do not learn which check failed.
    TokenInvalid,
    /// 401: the token was valid until its `exp`.
    TokenExpired,
    /// 401: the token is valid, but its session has ended.
    SessionEnded,
    /// 401: the email is unknown or the password is wrong. Clients do not learn which.
    BadCredentials,
    /// 403: the token belongs to another customer. Does not reveal whether the id exists.
    NotOwner,
    /// 403: the password is right, but the operator has disabled the account.
    AccountDisabled,
    /// 403: the password is right, but the email has to be verified first.
    EmailUnverified,
    /// 403: a page of another origin may not do what the text names. Only for preflights of browsers.
    PreflightRefused(&'static str),
    /// 404: the path does not exist, or the token's customer does not exist any more.
    NotFound,
    /// 405: the path exists, but not with this method.
    MethodNotAllowed,
    /// 408: the client did not finish sending in time.
    RequestTimeout,
    /// 409: another customer has the email.
    EmailTaken,
    /// 412: `If-Match` or `If-None-Match` does not allow the customer's version.
    VersionMismatch,
    /// 413: the body is longer than [`super::request_body::LONGEST_BODY`].
    BodyTooLarge,
    /// 415: the media type is not one of these.
    UnsupportedMediaType(&'static [&'static str]),
    /// 422: the fields have these errors.
    Validation(Vec<FieldError>),
    /// 429: too many attempts. The next one is allowed after this many seconds.
    TooManyRequests(u32),
    /// 503: too many requests are waiting.
    Overloaded,
    /// 503: the database is unavailable. The cause is only logged.
    DatabaseUnavailable(String),
    /// 500: a defect. The cause is only logged.
    Internal(String),
    /// Another status from the framework, such as 400 for a request target that is not a path.
    Framework(StatusCode),
}

/// The body of an error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The status in words.
    title: &'a str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// For programs.
    code: &'static str,
    /// For people.
    #[schema(value_type = String)]
    detail: Cow<'a, str>,
    /// The id of this request in the service's log.
    request_id: &'a str,
    /// The errors of the fields in the body.
    #[schema(value_type = Option<Vec<FieldError>>, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Cow<'a, [FieldError]>>,
}

impl Problem {
    /// Returns the `code` of the body, which is stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedJson(_) => "malformed_json",
            Self::MalformedForm => "bad_request",
            Self::MalformedHeader(_) => "malformed_header",
            Self::LinkInvalid => "link_invalid",
            Self::TokenMissing => "token_missing",
            Self::TokenInvalid => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::SessionEnded => "session_ended",
            Self::BadCredentials => "bad_credentials",
            Self::NotOwner => "not_owner",
            Self::AccountDisabled => "account_disabled",
            Self::EmailUnverified => "email_unverified",
            Self::PreflightRefused(_) => "preflight_refused",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::EmailTaken => "email_taken",
            Self::VersionMismatch => "version_mismatch",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::Validation(_) => "validation_failed",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::Overloaded => "overloaded",
            Self::DatabaseUnavailable(_) => "database_unavailable",
            Self::Internal(_) => "internal",
            Self::Framework(status) if status.is_client_error() => "bad_request",
            Self::Framework(_) => "internal",
        }
    }

    fn detail(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::MalformedJson(detail) => detail,
            Self::MalformedForm => "The form cannot be read.",
            Self::MalformedHeader(name) => {
                return Cow::Owned(format!("The header {name} has invalid syntax."));
            }
            Self::LinkInvalid => "This link is not valid any more. Ask for a new one.",
            Self::TokenMissing => "Send a bearer token in the Authorization header.",
            Self::TokenInvalid => "The token is not valid.",
            Self::TokenExpired => "The token has expired.",
            Self::SessionEnded => "The session has ended. Sign in again.",
            Self::BadCredentials => "The email or the password is wrong.",
            Self::NotOwner => "The token belongs to another customer.",
            Self::AccountDisabled => "This account is disabled. Please contact us.",
            Self::EmailUnverified => "Verify your email address first. The link is in your mailbox.",
            Self::PreflightRefused(detail) => detail,
            Self::NotFound => "There is no such resource.",
            Self::MethodNotAllowed => "This path does not support the method.",
            Self::RequestTimeout => "The request was not finished in time.",
            Self::EmailTaken => EMAIL_TAKEN,
            Self::VersionMismatch => "If-Match or If-None-Match does not allow the customer's version.",
            Self::BodyTooLarge => "A body may have at most 64 KiB.",
            Self::UnsupportedMediaType(accepted) => {
                return Cow::Owned(format!("Send the body as {}, in UTF-8.", accepted.join(" or ")));
            }
            Self::Validation(errors) if errors.len() == 1 => "1 field needs attention.",
            Self::Validation(errors) => {
                return Cow::Owned(format!("{} fields need attention.", errors.len()));
            }
            Self::TooManyRequests(_) => "Too many requests. Try again later.",
            Self::Overloaded => "Too many requests are waiting. Try again shortly.",
            Self::DatabaseUnavailable(_) => "The database cannot be reached. Try again shortly.",
            Self::Internal(_) => "Something went wrong on our side. The request id finds it in our log.",
            Self::Framework(status) => status.canonical_reason().unwrap_or("The request cannot be processed."),
        })
    }

    /// Returns the body.
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        let status = self.status_code();
        let document = Document {
            r#type: "about:blank",
            title: title(status),
            status: status.as_u16(),
            code: self.code(),
            detail: self.detail(),
            request_id,
            errors: self.errors(),
        };
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// Returns the errors of single fields, if that is what is wrong.
    pub(crate) fn errors(&self) -> Option<Cow<'_, [FieldError]>> {
        match self {
            Self::Validation(errors) => Some(Cow::Borrowed(errors)),
            Self::EmailTaken => Some(Cow::Owned(vec![Violation::taken(EMAIL_TAKEN).at("#/email")])),
            _ => None,
        }
    }

    /// Returns the `WWW-Authenticate` of a 401 or 403 (RFC 6750 §3).
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::TokenMissing | Self::BadCredentials => Some(r#"Bearer realm="customers""#),
            Self::TokenInvalid | Self::SessionEnded => Some(r#"Bearer realm="customers", error="invalid_token""#),
            Self::TokenExpired => {
                Some(r#"Bearer realm="customers", error="invalid_token", error_description="The token has expired""#)
            }
            Self::NotOwner | Self::AccountDisabled | Self::EmailUnverified => {
                Some(r#"Bearer realm="customers", error="insufficient_scope""#)
            }
            _ => None,
        }
    }

    /// Returns the `Retry-After`, in seconds.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::TooManyRequests(seconds) => Some(*seconds),
            Self::Overloaded => Some(1),
            Self::DatabaseUnavailable(_) => Some(2),
            _ => None,
        }
    }

    /// Returns the header fields of the reply.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let challenge = self.challenge().map(|text| (WWW_AUTHENTICATE, HeaderValue::from_static(text)));
        let retry_after = self.retry_after().map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)));
        let always = [
            (CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        always.into_iter().chain(challenge).chain(retry_after)
    }

    /// Returns the cause of a 5xx, to be logged once.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::DatabaseUnavailable(cause) | Self::Internal(cause) => Some(cause),
            _ => None,
        }
    }

    /// Returns the problem for a status that the framework chose by itself.
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::INTERNAL_SERVER_ERROR => Self::Internal("the framework replied 500".into()),
            other => Self::Framework(other),
        }
    }
}

/// Returns the reason phrase of RFC 9110. The `http` crate still has some of RFC 7231.
pub(super) fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::MalformedJson(_) | Self::MalformedForm | Self::MalformedHeader(_) | Self::LinkInvalid => {
                StatusCode::BAD_REQUEST
            }
            Self::TokenMissing
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::SessionEnded
            | Self::BadCredentials => StatusCode::UNAUTHORIZED,
            Self::NotOwner | Self::AccountDisabled | Self::EmailUnverified | Self::PreflightRefused(_) => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::EmailTaken => StatusCode::CONFLICT,
            Self::VersionMismatch => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Validation(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded | Self::DatabaseUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Framework(status) => *status,
        }
    }

    /// Returns the status only. `http::respond` writes the body, which needs the request id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<FieldErrors> for Problem {
    fn from(errors: FieldErrors) -> Self {
        Self::Validation(errors.into_vec())
    }
}

impl From<InvalidToken> for Problem {
    fn from(invalid: InvalidToken) -> Self {
        match invalid {
            InvalidToken::Expired => Self::TokenExpired,
            InvalidToken::Invalid => Self::TokenInvalid,
        }
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Overloaded => Self::Overloaded,
            DbError::ShareTaken => Self::TooManyRequests(1),
            DbError::Unavailable(cause)
            | DbError::Unwritable(cause)
            | DbError::CommitLost(cause)
            | DbError::TimedOut(cause)
            | DbError::StaleStatement(cause) => Self::DatabaseUnavailable(cause),
            // All retries failed, but the same request may succeed soon.
            DbError::Contention(_) | DbError::Busy => Self::Overloaded,
            other => Self::Internal(other.to_string()),
        }
    }
}
