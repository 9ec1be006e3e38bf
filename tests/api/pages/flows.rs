//! Ways through the pages.

use super::visitor::{Visitor, heading, value_of};
use crate::harness::{PASSWORD, on_both_databases};

on_both_databases! {
    async fn a_customer_signs_in_looks_around_and_signs_out(app: App) {
        app.member("ada@example.com").await;
        let visitor = Visitor::new(&app);
        visitor.get("/account/history").await.leads_to("/account/sign-in?next=history&notice=sign_in_first");
        let page = visitor.page("/account/sign-in?next=history&notice=sign_in_first").await;
        assert!(page.contains("Please sign in to go on."), "{page}");
        let next = value_of(&page, "next");
        let form = [("email", "ADA@example.com"), ("password", PASSWORD), ("next", next.as_str())];
        visitor.submit("/account/sign-in", &form).await.leads_to("/account/history");
        visitor.get("/account/sign-in").await.leads_to("/account/");
        visitor.get("/account/register").await.leads_to("/account/");
        let page = visitor.page("/account/history").await;
        assert!(page.contains("Signed in") && page.contains("Account created") && page.contains("This device"), "{page}");
        let page = visitor.page("/account/").await;
        assert!(page.contains("You are signed in on <bdi>2</bdi> devices"), "{page}");
        for name in ["profile", "password", "sessions", "export", "erase", "sign-out"] {
            visitor.page(&format!("/account/{name}")).await;
        }
        visitor.submit("/account/sign-out", &[]).await.leads_to("/account/sign-in?done=signed_out");
        assert!(visitor.page("/account/sign-in?done=signed_out").await.contains("You are signed out."));
    }

    async fn devices_are_signed_out_one_by_one_or_all(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let others = [app.session_of("ada@example.com", PASSWORD).await, app.session_of("ada@example.com", PASSWORD).await];
        let page = visitor.page("/account/sessions").await;
        assert_eq!(page.matches("name=\"session\"").count(), 2, "{page}");
        let id = others[0].session();
        assert!(page.contains(&id), "{page}");
        visitor.submit("/account/sessions", &[("action", "end"), ("session", &id)]).await.leads_to("/account/sessions?done=session_ended");
        app.profile(&others[0]).await.problem(401, "session_ended");
        app.profile(&others[1]).await.expect(200);
        visitor.submit("/account/sessions", &[("action", "end_others")]).await.leads_to("/account/sessions?done=others_ended");
        app.profile(&others[1]).await.problem(401, "session_ended");
        visitor.page("/account/sessions?done=others_ended").await;
        let last = app.session_of("ada@example.com", PASSWORD).await;
        visitor.submit("/account/sessions", &[("action", "end_all")]).await.leads_to("/account/sign-in?done=all_ended");
        app.profile(&last).await.problem(401, "session_ended");
        assert_eq!((app.rows("sessions"), visitor.cookie()), (0, None));
    }

    async fn the_export_is_a_file(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let reply = visitor.submit("/account/export", &[]).await.expect(200);
        assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"account.json\""));
        assert_eq!(reply.json()["profile"]["email"], "ada@example.com");
        assert!(visitor.page("/account/history").await.contains("Data downloaded"));
    }

    async fn the_history_has_pages(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        for _ in 0..24 {
            app.sign_in("ada@example.com", PASSWORD).await.expect(200);
        }
        let first = visitor.page("/account/history").await;
        assert_eq!(first.matches("<time").count(), 20, "{first}");
        let older = first.split('"').find(|text| text.starts_with("/account/history?before=")).expect("a link").to_owned();
        let second = visitor.page(&older).await;
        assert_eq!(second.matches("<time").count(), 6, "{second}");
        assert!(!second.contains("?before=") && second.contains("Account created"), "{second}");
        assert_eq!(heading(&visitor.page("/account/history?before=1").await), "Activity");
    }

    async fn a_disabled_account_is_told_so_after_the_right_password(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        app.execute("UPDATE customers SET disabled_at = created_at");
        visitor.get("/account/profile").await.leads_to("/account/sign-in?next=profile&notice=session_ended");
        let form = [("email", "ada@example.com"), ("password", PASSWORD)];
        let page = visitor.submit("/account/sign-in", &form).await.expect(403).page();
        assert!(page.contains("contact our customer service"), "{page}");
    }
}
