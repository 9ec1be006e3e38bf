//! docs/account-pages.md: the account pages beside a shop, behind Debian's nginx.

use super::site::{Answer, Site};
use crate::harness::PASSWORD;

/// Clients have other addresses than nginx.
const ANN: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

#[test]
fn a_customer_registers_beside_the_shop_and_other_sites_cannot_act_for_them() {
    let site = Site::beside_a_shop();
    assert_eq!(site.curl(ANN, &[&site.url("/")]).expect(200).body, "The shop");
    // The API is not part of it.
    assert_eq!(site.curl(ANN, &[&site.url("/api/v1/customers/me/")]).expect(200).body, "The shop");
    let form = site.curl(ANN, &[&site.url("/account/register")]).expect(200).body;
    let style = form.split('"').find(|text| text.contains("style.")).expect("a style sheet").replace("&#x2f;", "/");
    let style = site.curl(ANN, &[&site.url(&style)]).expect(200);
    assert!(style.header("cache-control").is_some_and(|value| value.contains("max-age")), "{}", style.head);

    let origin = format!("Origin: {}", site.url(""));
    let fields = ["first_name=Ann", "last_name=", "email=ann@example.com", &format!("password={PASSWORD}")];
    let registered = submit(&site, ANN, "/account/register", &fields, &["-H", &origin]).expect(303);
    let cookie = registered.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-clientele=") && cookie.contains("; Secure"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap_or_default());
    let account = site.curl(ANN, &["-H", &cookie, &site.url("/account/")]).expect(200);
    assert!(account.body.contains("ann@example.com"), "{}", account.body);

    for foreign in ["https://shop.example", "http://accounts.example.com", "null"] {
        let sent = ["-H", &cookie, "-H", &format!("Origin: {foreign}")];
        submit(&site, ANN, "/account/sign-out", &[], &sent).expect(403);
    }
    site.curl(ANN, &["-H", &cookie, &site.url("/account/")]).expect(200);
}

#[test]
fn customers_of_the_shop_are_throttled_one_by_one() {
    let site = Site::beside_a_shop();
    let origin = format!("Origin: {}", site.url(""));
    let sign_in = |client: &str| {
        let fields = ["email=ann@example.com", "password=a wrong one"];
        submit(&site, client, "/account/sign-in", &fields, &["-H", &origin])
    };
    for _ in 0..3 {
        assert!(sign_in(ANN).body.contains("do not go together"));
    }
    let throttled = sign_in(ANN).expect(429);
    assert!(throttled.header("retry-after").is_some() && throttled.body.contains("too many attempts"));
    assert!(sign_in(BOB).body.contains("do not go together"));
}

/// What a client gets for a form.
fn submit(site: &Site, client: &str, path: &str, fields: &[&str], more: &[&str]) -> Answer {
    let url = site.url(path);
    let mut arguments = vec!["-X", "POST", &url];
    for field in fields {
        arguments.extend(["--data-urlencode", field]);
    }
    arguments.extend(more);
    site.curl(client, &arguments)
}
