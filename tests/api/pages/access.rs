//! Who may see which page, and send which form.

use std::collections::BTreeSet;

use awc::http::Method;

use super::visitor::{Visitor, error_of, heading, value_of};
use crate::harness::{Mailbox, PASSWORD, on_both_databases};

/// The pages for everybody.
const OPEN: [&str; 9] =
    ["sign-in", "register", "forgot", "forgot-sent", "reset", "verify", "revert", "erased", "sign-out"];
/// The pages of a customer. A new page has to be added to one of the lists.
const OWN: [&str; 8] = ["", "profile", "email", "password", "sessions", "history", "export", "erase"];

fn path(name: &str) -> String {
    format!("/account/{name}")
}

on_both_databases! {
    async fn every_page_is_in_these_lists(app: App) {
        assert_eq!(app.rows("customers"), 0);
        let listed: BTreeSet<String> = OPEN.iter().chain(&OWN).map(|name| path(name)).collect();
        let pages: BTreeSet<String> = clientele::pages::routes::paths().map(ToOwned::to_owned).collect();
        assert_eq!(pages, listed);
    }

    async fn signed_out_a_page_leads_to_signing_in_and_back(app: App) {
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        for cookie in [None, Some("clientele=1.2.3.x"), Some("clientele=")] {
            let visitor = Visitor::new(&app);
            for name in OWN {
                visitor.set_cookie(cookie.map(ToOwned::to_owned));
                let expected = match name {
                    "" => "/account/sign-in".to_owned(),
                    name => format!("/account/sign-in?next={name}&notice=sign_in_first"),
                };
                visitor.get(&path(name)).await.leads_to(&expected);
                visitor.get(&format!("{}/", path(name).trim_end_matches('/'))).await.leads_to(&expected);
            }
            visitor.get("/account/sign-out").await.leads_to("/account/sign-in");
        }
    }

    async fn signed_out_no_form_of_a_customer_does_anything(app: App) {
        let member = app.member("ada@example.com").await;
        let visitor = Visitor::new(&app);
        let id = member.session();
        for (name, form) in [
            ("password", vec![("current_password", PASSWORD), ("new_password", "analytical engine no 1")]),
            ("sessions", vec![("action", "end"), ("session", id.as_str())]),
            ("export", vec![]),
            ("erase", vec![("current_password", PASSWORD)]),
        ] {
            let reply = visitor.submit(&path(name), &form).await;
            reply.leads_to(&format!("/account/sign-in?next={name}&notice=sign_in_first"));
        }
        let page = visitor.submit("/account/profile", &[("first_name", "Eve")]).await.expect(401).page();
        assert_eq!(heading(&page), "Sign in");
        app.profile(&member).await.expect(200);
        assert_eq!(app.etag(&member).await, "\"1\"");
        assert_eq!(visitor.submit("/account/sign-out", &[]).await.expect(303).header("location"), Some("/account/sign-in?done=signed_out"));
    }

    async fn the_cookie_opens_the_pages_and_not_the_api(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        assert!(visitor.page("/account/").await.contains("ada@example.com"));
        for (method, path) in [
            (Method::GET, "/api/v1/customers/me/"),
            (Method::DELETE, "/api/v1/customers/me/"),
            (Method::GET, "/api/v1/customers/me/export/"),
            (Method::DELETE, "/api/v1/customers/me/sessions/"),
        ] {
            let cookie = visitor.cookie().expect("a cookie");
            let reply = app.ask(method, path).header("Cookie", &cookie).send().await;
            reply.problem(401, "token_missing");
        }
    }

    async fn of_two_customers_in_one_browser_each_form_belongs_to_its_own(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = value_of(&visitor.page("/account/profile").await, "version");
        visitor.submit("/account/sign-out", &[]).await.expect(303);
        let other = Visitor::registered(&app, "bob@example.com").await;
        visitor.set_cookie(other.cookie());
        let form = [("version", version.as_str()), ("first_name", "Ada"), ("last_name", "Delgado")];
        let page = visitor.submit("/account/profile", &form).await.expect(409).page();
        assert!(page.contains("Stored now: <bdi>Rosa</bdi>"), "{page}");
        assert_eq!(error_of(&page, "first-name"), None);
        assert_eq!(value_of(&other.page("/account/profile").await, "first_name"), "Rosa");
    }

    async fn unknown_paths_and_methods_are_pages(app: App) {
        let visitor = Visitor::new(&app);
        for path in ["/account/nothing", "/account/sign-in/more", "/account//", "/account/assets/style.css"] {
            assert_eq!(heading(&visitor.get(path).await.expect(404).page()), "There is no such page", "{path}");
        }
        let reply = app.ask(Method::PUT, "/account/profile").send().await.expect(405);
        assert_eq!(heading(&reply.page()), "That did not work");
        let allowed: BTreeSet<&str> = reply.header("allow").expect("Allow").split(", ").collect();
        assert_eq!(allowed, BTreeSet::from(["GET", "HEAD", "POST"]));
        app.get("/accounts").send().await.problem(404, "not_found");
        visitor.get("/account").await.leads_to("/account/");
    }

    async fn without_pages_there_is_nothing(app: App) {
        let app = app.instance(&[("CLIENTELE__PAGES__ENABLED", "false")]);
        for path in ["/account", "/account/", "/account/sign-in"] {
            app.get(path).send().await.problem(404, "not_found");
        }
    }

    async fn without_mail_there_is_no_recovery(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        for name in ["forgot", "forgot-sent", "reset?token=1.x", "verify?token=1.x", "revert?token=1.x", "email"] {
            visitor.get(&path(name)).await.expect(404).page();
        }
        for name in ["forgot", "reset", "verify", "revert", "email"] {
            visitor.submit(&path(name), &[]).await.expect(404).page();
        }
        let page = Visitor::new(&app).page("/account/sign-in").await;
        assert!(!page.contains("/account/forgot"));
        assert!(!visitor.page("/account/").await.contains("/account/email"));
    }
}
