//! What all pages have in common: the headers, the refusal of forms from other sites, and pages for what went wrong.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN,
    REFERRER_POLICY, RETRY_AFTER,
};
use actix_web::http::{StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use minijinja::context;

use super::destination::{Destination, SIGN_IN, with_query};
use super::messages::minutes;
use super::renderer::Pages;
use super::visit::{Shown, Visit};
use crate::http::Problem;
use crate::http::respond::{OwnBody, log_cause, with_problem};

/// Sent by browsers: how the site that made the request relates to this one (Fetch Metadata).
const SITE: &str = "sec-fetch-site";

/// The middleware of all pages.
///
/// # Errors
/// None of its own.
pub(super) async fn frame<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let pages = request.app_data::<web::Data<Pages>>().cloned();
    let origin = pages.as_ref().and_then(|pages| pages.origin.as_deref());
    let is_refused = !request.method().is_safe() && is_of_another_site(request.request(), origin);
    let mut response = if is_refused {
        let page = error_page(request.request(), StatusCode::FORBIDDEN, "other_site", None);
        request.into_response(page).map_into_right_body()
    } else {
        instead_of_problem(next.call(request).await?)
    };
    let headers = response.headers_mut();
    insert_missing(headers, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(policy) = pages.and_then(|pages| HeaderValue::from_str(&pages.policy).ok()) {
        insert_missing(headers, CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

fn insert_missing(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}

/// Whether a browser says that a page of another site sent the request: neither of the request's host nor of
/// `own_origin`. A request that says neither is not from a browser, because every browser sends at least `Origin` with
/// a form; see docs/decisions/0020.
fn is_of_another_site(request: &HttpRequest, own_origin: Option<&str>) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    match (header(SITE), header(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let uri = origin.parse::<Uri>().ok();
            let authority = uri.as_ref().and_then(Uri::authority).map(|authority| authority.as_str());
            let is_of_host = authority.is_some() && authority == header(HOST.as_str());
            !is_of_host && own_origin != Some(origin)
        }
        (None, None) => false,
    }
}

/// Replaces an error by a page, and leads whoever has to sign in to the page for it.
fn instead_of_problem<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let is_page = response.response().extensions().contains::<OwnBody>();
    if response.status().as_u16() < 400 || is_page {
        return response.map_into_left_body();
    }
    let allow = response.headers().get(ALLOW).cloned();
    let (request, inner) = response.into_parts();
    let mut page = with_problem(&inner, |problem| match problem {
        Problem::TokenMissing | Problem::SessionEnded => sign_in_first(&request, problem),
        problem => problem_page(&request, problem),
    });
    if let Some(allow) = allow {
        page.headers_mut().insert(ALLOW, allow);
    }
    ServiceResponse::new(request, page).map_into_right_body()
}

fn sign_in_first(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let next = Destination::page(request.path());
    let notice = match problem {
        Problem::SessionEnded => Some("session_ended"),
        _ => next.map(|_| "sign_in_first"),
    };
    let visit = visit(request);
    let destination = visit.map(|visit| Destination { next, ..visit.destination }).unwrap_or_default();
    let notice = notice.map(|key| ("notice", key));
    let address = with_query(SIGN_IN, destination.pairs().chain(notice));
    HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
}

fn problem_page(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    if let Some(visit) = visit(request) {
        log_cause(problem, &visit.request_id());
    }
    error_page(request, problem.status_code(), problem.code(), problem.retry_after())
}

/// Returns the page for an error. If it cannot be rendered, there is a reply without a body.
fn error_page(request: &HttpRequest, status: StatusCode, code: &str, retry_after: Option<u32>) -> HttpResponse {
    let Some(visit) = visit(request) else {
        return HttpResponse::new(status);
    };
    let more = context! {
        status => status.as_u16(),
        code => visit.messages().problem_key(code, status.is_client_error()),
        path => request.path(),
        request_id => visit.request_id(),
        retry_minutes => retry_after.map(minutes),
    };
    match visit.page("error.html", Shown { status, ..Shown::to_anybody() }, more) {
        Ok(mut page) => {
            if let Some(seconds) = retry_after {
                page.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            page
        }
        Err(problem) => {
            log_cause(&problem, &visit.request_id());
            HttpResponse::new(status)
        }
    }
}

fn visit(request: &HttpRequest) -> Option<Visit> {
    Visit::extract(request).into_inner().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_a_form_of_our_own_pages_is_taken() {
        let of_another_site = |headers: &[(&'static str, &'static str)]| {
            let request = TestRequest::default().append_header(("Host", "shop.example"));
            let request = headers.iter().fold(request, |request, header| request.append_header(*header));
            is_of_another_site(&request.to_http_request(), Some("https://accounts.example"))
        };
        for own in [
            &[][..],
            &[("Sec-Fetch-Site", "same-origin")],
            &[("Sec-Fetch-Site", "none")],
            &[("Sec-Fetch-Site", "same-origin"), ("Origin", "null")],
            &[("Origin", "https://shop.example")],
            &[("Origin", "https://accounts.example")],
        ] {
            assert!(!of_another_site(own), "{own:?}");
        }
        for other in [
            &[("Sec-Fetch-Site", "cross-site")][..],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Sec-Fetch-Site", "")],
            &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://shop.example")],
            &[("Origin", "https://evil.example")],
            &[("Origin", "http://accounts.example")],
            &[("Origin", "https://shop.example:8443")],
            &[("Origin", "https://shop.example.evil.example")],
            &[("Origin", "null")],
            &[("Origin", "")],
        ] {
            assert!(of_another_site(other), "{other:?}");
        }
    }
}
