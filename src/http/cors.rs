//! Cross-origin requests (Fetch standard, "HTTP CORS protocol"): which web pages may use the API.
//!
//! actix-cors makes the decision. It runs just inside the outermost middleware, so that errors have its headers too,
//! and rejected preflights get a request id and a problem body.

use actix_cors::{Cors, CorsError};
use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue, VARY};
use actix_web::middleware::Next;

use super::problem::Problem;
use crate::settings::Origin;

/// The methods that the API uses.
const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];
/// The headers that a page may send, in addition to those that are always allowed.
const ALLOWED: [&str; 5] = ["Authorization", "Content-Type", "If-Match", "If-None-Match", "X-Request-Id"];
/// The headers that a page may read, in addition to those that are always exposed.
const EXPOSED: [&str; 6] = ["ETag", "Location", "Content-Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"];
/// How long a browser may cache the reply to a preflight, in seconds. Without this, it sends one before every change.
const PREFLIGHT_SECONDS: usize = 3600;

/// Returns the middleware that allows requests from these origins.
pub fn cors(origins: &[Origin]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(METHODS)
        .allowed_headers(ALLOWED)
        .expose_headers(EXPOSED)
        .max_age(PREFLIGHT_SECONDS);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin.as_str()))
}

/// Completes the replies of [`cors`]: turns a rejected preflight into a problem, and removes the CORS headers from
/// replies to other origins.
///
/// # Errors
/// Returns only the errors of the inner service.
pub async fn finish_cors<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let mut response = next.call(request).await?;
    if let Some(problem) = rejected_preflight(&response) {
        let (request, _) = response.into_parts();
        let mut reply = ServiceResponse::from_err(problem, request);
        reply.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
        return Ok(reply.map_into_right_body());
    }
    let headers = response.headers_mut();
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
    }
    Ok(response.map_into_left_body())
}

fn rejected_preflight<B>(response: &ServiceResponse<B>) -> Option<Problem> {
    let error = response.response().error()?.as_error::<CorsError>()?;
    Some(Problem::PreflightRefused(match error {
        CorsError::MethodNotAllowed | CorsError::BadRequestMethod => "Pages of other origins may not use this method.",
        CorsError::HeadersNotAllowed | CorsError::BadRequestHeaders => {
            "Pages of other origins may not send one of these headers."
        }
        _ => "Pages of this origin may not use this service.",
    }))
}
