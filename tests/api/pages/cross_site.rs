//! Forms that another site sends.

use super::visitor::{Visitor, heading, urlencoded};
use crate::harness::{PASSWORD, on_both_databases};

const OTHERS: [&[(&str, &str)]; 6] = [
    &[("Sec-Fetch-Site", "cross-site")],
    &[("Sec-Fetch-Site", "same-site")],
    &[("Origin", "https://evil.example")],
    &[("Origin", "null")],
    &[("Origin", "http://127.0.0.1")],
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", "null")],
];

on_both_databases! {
    async fn a_form_of_another_site_is_403_on_every_page(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let form = urlencoded(&[("current_password", PASSWORD)]);
        for path in clientele::pages::routes::paths().chain(["/account/nothing", "/account"]) {
            for headers in OTHERS {
                let page = visitor.send(path, &form, headers).await.expect(403).page();
                assert_eq!(heading(&page), "We stopped this for your safety", "{path} {headers:?}");
            }
        }
        assert_eq!((app.rows("customers"), app.rows("sessions")), (1, 1));
        visitor.page("/account/").await;
    }

    async fn a_form_of_our_own_pages_is_taken_whatever_the_browser_tells(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let own = format!("http://{}", app.address);
        for headers in [
            &[][..],
            &[("Sec-Fetch-Site", "same-origin")],
            &[("Sec-Fetch-Site", "none")],
            &[("Sec-Fetch-Site", "same-origin"), ("Origin", "null")],
            &[("Origin", own.as_str())],
        ] {
            visitor.send("/account/export", "", headers).await.expect(200);
        }
    }

    async fn links_from_other_sites_are_followed(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let cookie = visitor.cookie().expect("a cookie");
        let ask = app.get("/account/").header("Cookie", &cookie).header("Sec-Fetch-Site", "cross-site");
        ask.send().await.expect(200);
    }
}
