//! Which requests are refused on the wire.

use actix_web::web;

use super::read::Reads;
use super::update::Updates;
use crate::db::Lane;
use crate::operations::wire::Request;

const BEFORE_ID: &str = "/api/v1/customers/";

/// Yields the route of a request whose lane takes no more. [`crate::auth::bearer_into`] refuses the same and more.
pub fn refuses(
    updates: web::Data<Lane<Updates>>,
    reads: web::Data<Lane<Reads>>,
) -> impl Fn(&Request<'_>) -> Option<&'static str> {
    move |request| {
        let is_full = match request.method {
            "PUT" | "PATCH" => updates.refuses(),
            "GET" => reads.refuses(),
            _ => false,
        };
        if is_full { route(request.target) } else { None }
    }
}

/// The route of one customer, as the framework names it.
fn route(target: &str) -> Option<&'static str> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let rest = path.strip_prefix(BEFORE_ID)?;
    let id = rest.strip_suffix('/').unwrap_or(rest);
    let is_id = id == "me" || !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some("/api/v1/customers/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_one_customer_have_a_route() {
        for target in
            ["/api/v1/customers/1", "/api/v1/customers/123/", "/api/v1/customers/123/?a=b", "/api/v1/customers/me/"]
        {
            assert!(route(target).is_some(), "{target}");
        }
        for target in [
            "/api/v1/customers/",
            "/api/v1/customers//",
            "/api/v1/customers/1/2",
            "/api/v1/customers/1//",
            "/api/v1/customers/you",
            "/api/v1/customers/+1",
            "/api/v1/sessions/1",
            "/?/api/v1/customers/1",
        ] {
            assert_eq!(route(target), None, "{target}");
        }
    }
}
