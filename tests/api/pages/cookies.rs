//! The cookie, and the session that it names.

use std::time::Duration;

use super::visitor::{Visitor, urlencoded};
use crate::harness::{Backend, PASSWORD, on_both_databases};

on_both_databases! {
    async fn the_cookie_is_for_this_host_and_no_script(app: App) {
        app.member("ada@example.com").await;
        let visitor = Visitor::new(&app);
        let form = [("email", "ada@example.com"), ("password", PASSWORD)];
        let reply = visitor.submit("/account/sign-in", &form).await.expect(303);
        let cookie = reply.header("set-cookie").expect("a cookie");
        let (value, attributes) = cookie.split_once("; ").expect("attributes");
        assert!(value.starts_with("clientele="), "{cookie}");
        assert_eq!(attributes, "Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax");
        assert_eq!(app.rows("sessions"), 2);
    }

    async fn behind_a_proxy_with_tls_the_cookie_is_bound_to_the_host(app: App) {
        app.member("ada@example.com").await;
        let visitor = Visitor::new(&app);
        let form = urlencoded(&[("email", "ada@example.com"), ("password", PASSWORD)]);
        let proxy = [("X-Forwarded-Proto", "https"), ("Sec-Fetch-Site", "same-origin")];
        let reply = visitor.send("/account/sign-in", &form, &proxy).await.expect(303);
        let cookie = reply.header("set-cookie").expect("a cookie");
        assert!(cookie.starts_with("__Host-clientele="), "{cookie}");
        assert!(cookie.ends_with("; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
        let pair = visitor.cookie().expect("a cookie");
        let ask = |cookie: &str| app.get("/account/").header("Cookie", cookie).header("X-Forwarded-Proto", "https");
        ask(&pair).send().await.expect(200);
        // A cookie with the plain name could come from another host of the same site.
        ask(&pair.replace("__Host-", "")).send().await.leads_to("/account/sign-in");
        visitor.get("/account/").await.leads_to("/account/sign-in");
    }

    async fn an_altered_cookie_is_none(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let other = Visitor::registered(&app, "bob@example.com").await;
        let (cookie, others) = (visitor.cookie().expect("a cookie"), other.cookie().expect("a cookie"));
        let tag = others.rsplit('.').next().expect("a tag");
        let body = cookie.rsplit_once('.').expect("a tag").0;
        for altered in [format!("{body}.{tag}"), body.to_owned(), format!("{cookie}A"), cookie.replacen('1', "2", 1)] {
            visitor.set_cookie(Some(altered.clone()));
            visitor.get("/account/").await.leads_to("/account/sign-in");
        }
        // A token of the API is no cookie.
        let refresh = app.session_of("ada@example.com", PASSWORD).await.refresh;
        visitor.set_cookie(Some(format!("clientele={refresh}")));
        visitor.get("/account/").await.leads_to("/account/sign-in");
    }

    async fn ending_the_session_ends_the_cookie_at_once(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        visitor.page("/account/").await;
        let member = app.session_of("ada@example.com", PASSWORD).await;
        app.delete(&format!("{}sessions/", member.path())).token(&member.token).send().await.expect(204);
        visitor.get("/account/").await.leads_to("/account/sign-in?notice=session_ended");
        visitor.get("/account/profile").await.leads_to("/account/sign-in?next=profile&notice=session_ended");
        assert!(visitor.page("/account/sign-in").await.contains("name=\"password\""));
        let reply = visitor.submit("/account/export", &[]).await;
        reply.leads_to("/account/sign-in?next=export&notice=session_ended");
    }

    async fn signing_out_takes_the_cookie_and_ends_the_session(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let cookie = visitor.cookie();
        visitor.page("/account/sign-out").await;
        visitor.page("/account/").await;
        for _ in 0..2 {
            visitor.submit("/account/sign-out", &[]).await.leads_to("/account/sign-in?done=signed_out");
        }
        assert_eq!((visitor.cookie(), app.rows("sessions")), (None, 0));
        visitor.set_cookie(cookie);
        visitor.get("/account/").await.leads_to("/account/sign-in?notice=session_ended");
    }

    async fn a_page_is_shown_even_if_its_session_cannot_be_marked_as_used(app: App) {
        let app = app.instance(&[("CLIENTELE__AUTH__SESSION_IDLE_SECONDS", "8")]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let cookie = visitor.cookie();
        app.execute(match app.backend() {
            Backend::Sqlite => "CREATE TRIGGER no BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END",
            Backend::Postgres => "CREATE RULE no AS ON UPDATE TO sessions DO INSTEAD SELECT 1 / 0",
        });
        actix_rt::time::sleep(Duration::from_millis(2100)).await;
        visitor.page("/account/").await;
        assert_eq!(visitor.cookie(), cookie);
        app.execute(match app.backend() {
            Backend::Sqlite => "DROP TRIGGER no",
            Backend::Postgres => "DROP RULE no ON sessions",
        });
        visitor.page("/account/").await;
        assert_ne!(visitor.cookie(), cookie);
    }

    async fn a_session_that_is_used_is_marked_as_used(app: App) {
        let app = app.instance(&[("CLIENTELE__AUTH__SESSION_IDLE_SECONDS", "8")]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let used = || app.texts("SELECT CAST(refreshed_at AS TEXT) AS value FROM sessions").pop().expect("a session");
        let (before, cookie) = (used(), visitor.cookie());
        visitor.page("/account/").await;
        assert_eq!((used(), visitor.cookie()), (before.clone(), cookie.clone()));
        actix_rt::time::sleep(Duration::from_millis(3100)).await;
        visitor.page("/account/").await;
        assert!(used() > before, "{before}");
        assert_ne!(visitor.cookie(), cookie);
        visitor.page("/account/").await;
    }
}
