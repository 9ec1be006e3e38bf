//! The outermost middleware: request ids, security headers, problem bodies, access log, metrics.

use std::rc::Rc;
use std::time::Instant;

use actix_http::ConnectionType;
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

use super::connection::Connection;
use super::problem::Problem;
use super::request_body::RequestBody;
use crate::metrics::Route;
use crate::tokens::Principal;

/// The header that names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is accepted from a client, in bytes.
const LONGEST_REQUEST_ID: usize = 128;

/// The id of a request, in its extensions.
pub(crate) struct RequestId(pub(crate) String);

/// Marks a reply, in its extensions, whose error has a body already: a page, and not a problem document.
pub(crate) struct OwnBody;

/// Runs a request and finishes its reply.
///
/// # Errors
/// None of its own.
pub(crate) async fn respond<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Vec<u8>>>, Error> {
    let started = Instant::now();
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let request_id = request_id(sent);
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let connection = request.request().conn_data::<Rc<Connection>>().cloned();
    let body = connection.as_ref().and_then(|connection| RequestBody::of(&mut request, connection));
    if let Some(connection) = &connection {
        connection.request_begins(body.is_some());
        connection.wait_for_room().await;
    }
    let response = next.call(request).await?;
    let is_read = match body {
        Some(body) => body.finish().await,
        None => true,
    };
    let problem_body = problem_body(&response, &request_id);
    let (request, mut response) = response.into_parts();
    if !is_read {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    if problem_body.is_some() {
        set_problem_headers(&mut response);
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Caches may store a reply only if its handler allows it. Most replies have personal data or tokens.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    let took = started.elapsed();
    if let Some(route) = request.app_data::<Route>() {
        route.observe(request.method(), response.status(), took);
    }
    let customer = request.extensions().get::<Principal>().map(|principal| principal.customer.get());
    log::info!(
        target: "clientele::access",
        method = request.method().as_str(),
        route = request.match_pattern().as_deref().unwrap_or("-"),
        status = response.status().as_u16(),
        duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        request_id = request_id.as_str(),
        customer_id = customer;
        "request"
    );
    let response = response.map_body(|_, body| match problem_body {
        Some(bytes) => EitherBody::right(bytes),
        None => EitherBody::left(body),
    });
    if let Some(connection) = &connection {
        connection.reply_begins(match response.body().size() {
            BodySize::Sized(length) => usize::try_from(length).unwrap_or(usize::MAX),
            BodySize::None | BodySize::Stream => 0,
        });
    }
    Ok(ServiceResponse::new(request, response))
}

/// Returns the client's request id if it is short and safe to log, else a new one.
pub(crate) fn request_id(sent: Option<&str>) -> String {
    let is_safe = |id: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    sent.filter(is_safe).map_or_else(|| format!("{:032x}", rand::random::<u128>()), ToOwned::to_owned)
}

/// Returns the problem body of a 4xx or 5xx, including those of the framework. Logs the cause of a 5xx.
fn problem_body<B>(response: &ServiceResponse<B>, request_id: &str) -> Option<Vec<u8>> {
    if response.status().as_u16() < 400 || response.response().extensions().contains::<OwnBody>() {
        return None;
    }
    with_problem(response.response(), |problem| {
        log_cause(problem, request_id);
        Some(problem.body(request_id))
    })
}

/// Logs the cause of a 5xx.
pub(crate) fn log_cause(problem: &Problem, request_id: &str) {
    if let Some(cause) = problem.cause() {
        log::error!(target: "clientele", request_id, code = problem.code(); "{cause}");
    }
}

/// Passes the problem of a reply on: the handler's, or that of the framework's status.
pub(crate) fn with_problem<B, T>(response: &actix_web::HttpResponse<B>, f: impl FnOnce(&Problem) -> T) -> T {
    match response.error().and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => f(problem),
        None => f(&Problem::from_status(response.status())),
    }
}

fn set_problem_headers<B>(response: &mut actix_web::HttpResponse<B>) {
    let fields: Vec<_> = with_problem(response, |problem| problem.fields().collect());
    for (name, value) in fields {
        response.headers_mut().insert(name, value);
    }
}
