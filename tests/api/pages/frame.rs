//! What every page has: its headers, its size, its language.

use super::visitor::{Visitor, heading};
use crate::harness::on_both_databases;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

on_both_databases! {
    async fn every_page_has_strict_headers_and_is_small(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let stranger = Visitor::new(&app);
        for path in clientele::pages::routes::paths().chain(["/account/nothing"]) {
            for visitor in [&visitor, &stranger] {
                let reply = visitor.get(path).await;
                assert_eq!(reply.header("content-security-policy"), Some(POLICY), "{path}");
                assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{path}");
                assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
                assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
                assert!(reply.header("x-request-id").is_some() && reply.text().len() < 30_000, "{path}");
                if reply.status() != 303 {
                    let page = reply.page();
                    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains("onclick"), "{path}");
                }
            }
        }
    }

    async fn an_error_has_the_same_headers(app: App) {
        let visitor = Visitor::new(&app);
        let reply = visitor.send("/account/sign-in", "", &[("Sec-Fetch-Site", "cross-site")]).await.expect(403);
        assert_eq!(reply.header("content-security-policy"), Some(POLICY));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }

    async fn files_of_the_pages_are_kept_for_good(app: App) {
        let page = Visitor::new(&app).page("/account/sign-in").await;
        let files: Vec<&str> = page.split('"').filter(|text| text.starts_with("/account/assets/")).collect();
        assert!(files.len() >= 3, "{page}");
        for file in files {
            let reply = app.get(file).send().await.expect(200);
            assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"), "{file}");
            let tag = reply.header("etag").expect("an ETag").to_owned();
            app.get(file).header("If-None-Match", &tag).send().await.expect(304);
        }
    }

    async fn a_page_is_in_the_browser_s_language(app: App) {
        for (header, lang, title) in [
            ("de-AT,de;q=0.9", "de", "Anmelden"),
            ("fr", "fr", "Connexion"),
            ("es-MX", "es", "Iniciar sesión"),
            ("ja", "en", "Sign in"),
        ] {
            let reply = app.get("/account/sign-in").header("Accept-Language", header).send().await.expect(200);
            let page = reply.page();
            assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{page}");
            assert_eq!((heading(&page), reply.header("vary")), (title, Some("accept-language")));
        }
    }

    async fn a_problem_of_the_database_is_a_page_that_says_when_to_try_again(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        app.execute("ALTER TABLE customers RENAME TO lost");
        let reply = visitor.get("/account/").await;
        assert!([500, 503].contains(&reply.status()), "{}", reply.status());
        let page = reply.page();
        assert!(page.contains(reply.header("x-request-id").expect("an id")), "{page}");
        for leak in ["customers", "lost", "SELECT", "no such"] {
            assert!(!page.contains(leak), "{leak}: {page}");
        }
    }
}
