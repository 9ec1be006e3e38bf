//! The cookie of the account pages (RFC 6265bis). Its name begins with `__Host-`, so that no other host and no page
//! without TLS can set it. Browsers refuse such a name without TLS, so at `http://localhost` it is a plain one.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HOST};

/// The name under TLS, which a proxy in front of the service may provide.
const SECURE: &str = "__Host-clientele";
/// The name at `http://localhost`.
const PLAIN: &str = "clientele";
/// What a proxy adds to the requests that it passes on.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Returns the value of the cookie that a request carries.
pub(super) fn value(request: &HttpRequest) -> Option<&str> {
    let name = name(request);
    let lines = request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// Returns the `Set-Cookie` that stores a value for some seconds.
pub(crate) fn set(request: &HttpRequest, value: &str, seconds: i64) -> String {
    let name = name(request);
    let secure = if name == SECURE { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// Returns the `Set-Cookie` that removes the cookie.
pub(crate) fn removed(request: &HttpRequest) -> String {
    set(request, "", 0)
}

fn name(request: &HttpRequest) -> &'static str {
    let is_forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_forwarded && is_loopback(host) { PLAIN } else { SECURE }
}

/// Whether a `Host` names this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest
            .split(']')
            .next()
            .and_then(|address| address.parse().ok())
            .is_some_and(|ip: IpAddr| ip.is_loopback());
    }
    let name = host.split(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> HttpRequest {
        headers.iter().fold(TestRequest::default(), |request, header| request.append_header(*header)).to_http_request()
    }

    #[test]
    fn only_this_machine_without_a_proxy_has_the_plain_name() {
        for host in ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:8080", "[::1]:8080", "[::1]"] {
            assert_eq!(name(&TestRequest::default().append_header(("Host", host)).to_http_request()), PLAIN, "{host}");
        }
        for host in
            ["", "shop.example", "localhost.example", "127.0.0.1.example", "10.0.0.1:80", "[2001:db8::1]", "[", "::1"]
        {
            assert_eq!(name(&TestRequest::default().append_header(("Host", host)).to_http_request()), SECURE, "{host}");
        }
        for proxy in FORWARDED {
            assert_eq!(name(&request(&[("Host", "127.0.0.1:8080"), (proxy, "x")])), SECURE, "{proxy}");
        }
    }

    #[test]
    fn a_cookie_of_another_name_is_not_ours() {
        let value = |cookie| value(&request(&[("Host", "shop.example"), ("Cookie", cookie)])).map(ToOwned::to_owned);
        assert_eq!(value("a=b; __Host-clientele=1.2.3.x; c=d").as_deref(), Some("1.2.3.x"));
        for other in ["clientele=1", "__host-clientele=1", "x__Host-clientele=1", "__Host-clientele", ""] {
            assert_eq!(value(other), None, "{other}");
        }
    }

    #[test]
    fn a_cookie_is_sent_to_this_host_alone_and_scripts_cannot_read_it() {
        let expected = "__Host-clientele=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(set(&request(&[("Host", "shop.example")]), "v", 60), expected);
        assert_eq!(
            removed(&request(&[("Host", "localhost")])),
            "clientele=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }
}
