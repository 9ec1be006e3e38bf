//! Forms as no page of ours sends them.

use super::visitor::{Visitor, error_of, heading, urlencoded, value_of};
use crate::harness::{PASSWORD, on_both_databases};

const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
/// Every page that takes a form, without those that need mail.
const FORMS: [&str; 8] = ["sign-in", "register", "profile", "password", "sessions", "export", "erase", "sign-out"];

on_both_databases! {
    async fn a_form_that_is_too_long_is_413_with_a_page(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        for size in [65_537, 10_000_000] {
            let body = format!("email={}", "a".repeat(size));
            for name in FORMS.iter().filter(|name| **name != "sign-out") {
                let page = visitor.send(&format!("/account/{name}"), &body, &[SAME]).await.expect(413).page();
                assert_eq!(heading(&page), "That is too much");
            }
        }
        visitor.page("/account/").await;
    }

    async fn what_is_no_form_is_a_page(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        for name in FORMS.iter().filter(|name| **name != "sign-out") {
            let path = format!("/account/{name}");
            for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-16"] {
                visitor.send(&path, "{}", &[SAME, ("Content-Type", media_type)]).await.expect(415).page();
            }
            for body in ["email=%ff", "email=%", "email=a&email=b", "email=a&%65mail=b", "%C0%80=1"] {
                let reply = visitor.send(&path, body, &[SAME]).await;
                assert!([400, 422].contains(&reply.status()), "{path} {body} {}", reply.status());
                reply.page();
            }
        }
        assert_eq!((app.rows("customers"), app.rows("sessions")), (1, 1));
    }

    async fn an_unknown_field_does_not_vanish_in_silence(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = value_of(&visitor.page("/account/profile").await, "version");
        for name in ["first-name", "email", "id", "slug", "address", "address.", "address.city.x", "", "__proto__"] {
            let form = [("version", version.as_str()), ("first_name", "Ada"), (name, "x")];
            let page = visitor.submit("/account/profile", &form).await.expect(422).page();
            assert!(page.contains("The form could not be read"), "{name}: {page}");
            assert_eq!(value_of(&page, "first_name"), "Ada");
        }
        for path in ["/account/sessions", "/account/export", "/account/erase", "/account/password"] {
            visitor.submit(path, &[("x", "y"), ("current_password", PASSWORD)]).await.expect(422).page();
        }
        assert_eq!(value_of(&visitor.page("/account/profile").await, "first_name"), "Rosa");
        let form = [("email", "b@example.com"), ("first_name", "B"), ("password", PASSWORD), ("admin", "1")];
        Visitor::new(&app).submit("/account/register", &form).await.expect(422).page();
        assert_eq!(app.rows("customers"), 1);
    }

    async fn an_empty_form_says_what_is_missing(app: App) {
        let visitor = Visitor::new(&app);
        let page = visitor.submit("/account/register", &[]).await.expect(422).page();
        for id in ["email", "first-name", "password"] {
            assert!(error_of(&page, id).is_some(), "{id}: {page}");
        }
        let page = visitor.submit("/account/sign-in", &[]).await.expect(422).page();
        assert_eq!(error_of(&page, "email").as_deref(), Some("Please enter your email address."));
        assert_eq!(error_of(&page, "password").as_deref(), Some("Please enter your password."));
    }

    async fn hostile_texts_are_shown_as_texts(app: App) {
        let visitor = Visitor::new(&app);
        let hostile = "\"><script>alert(1)</script>{{ 7 * 7 }}{name}";
        let form = [("email", "eve@example.com"), ("first_name", hostile), ("last_name", "אבא"), ("password", PASSWORD)];
        visitor.submit("/account/register", &form).await.expect(303);
        for path in ["/account/", "/account/profile", "/account/sign-out"] {
            let reply = visitor.get(path).await.expect(200);
            assert!(!reply.text().contains("<script>alert"), "{path}");
            assert!(!reply.text().contains("49"), "{path}");
        }
        assert_eq!(value_of(&visitor.page("/account/profile").await, "last_name"), "אבא");
        for query in ["?done=%3Cscript%3E", "?done=profile%00", "?notice=../x", "?done=done", "?done", "?%ff=%ff"] {
            let page = visitor.page(&format!("/account/{query}")).await;
            assert!(!page.contains("role=\"status\""), "{query}: {page}");
        }
        for query in ["?before=x", "?before=-1", "?before=99999999999999999999", "?before=0", "?before=1"] {
            visitor.page(&format!("/account/history{query}")).await;
        }
    }

    async fn a_session_that_is_somebody_else_s_or_none_is_not_ended(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let other = app.member("bob@example.com").await;
        let id = other.session();
        let form = [("action", "end"), ("session", id.as_str())];
        visitor.submit("/account/sessions", &form).await.leads_to("/account/sessions?done=session_ended");
        app.profile(&other).await.expect(200);
        for form in [&[("action", "end")][..], &[("action", "end"), ("session", "x")], &[("action", "x")], &[]] {
            visitor.send("/account/sessions", &urlencoded(form), &[SAME]).await.expect(400).page();
        }
        visitor.page("/account/sessions").await;
    }
}
