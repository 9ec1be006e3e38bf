//! Pages are throttled as the API is, with the same quotas.

use super::visitor::{Visitor, error_of, value_of};
use crate::harness::{PASSWORD, on_both_databases};

on_both_databases! {
    async fn too_many_attempts_are_a_page_that_says_when_to_try_again(app: App) {
        let app = app.instance(&[("CLIENTELE__THROTTLE__ADDRESS_BURST", "2"), ("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1")]);
        let visitor = Visitor::new(&app);
        let form = [("email", "ada@example.com"), ("password", "not this one")];
        for _ in 0..2 {
            visitor.submit("/account/sign-in", &form).await.expect(401);
        }
        let reply = visitor.submit("/account/sign-in", &form).await.expect(429);
        assert!(reply.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok()).is_some_and(|seconds| seconds > 0));
        let page = reply.page();
        assert_eq!(value_of(&page, "email"), "ada@example.com");
        assert!(page.contains("too many attempts") && page.contains("in a minute"), "{page}");
        // The API counts the same.
        app.sign_in("ada@example.com", PASSWORD).await.problem(429, "too_many_requests");
        let form = [("email", "ada@example.com"), ("first_name", "Ada"), ("last_name", ""), ("password", "short")];
        for status in [422, 422, 429] {
            let page = visitor.submit("/account/register", &form).await.expect(status).page();
            assert_eq!(value_of(&page, "first_name"), "Ada");
        }
    }

    async fn guesses_of_the_current_password_are_few(app: App) {
        let app = app.instance(&[("CLIENTELE__THROTTLE__ACCOUNT_BURST", "2"), ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "1")]);
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        for path in ["/account/password", "/account/erase"] {
            let form = [("current_password", "not this one"), ("new_password", "analytical engine no 1")];
            let form = if path.ends_with("erase") { &form[..1] } else { &form[..] };
            let page = visitor.submit(path, form).await.expect(422).page();
            assert!(error_of(&page, "current-password").is_some());
        }
        visitor.submit("/account/erase", &[("current_password", PASSWORD)]).await.expect(429).page();
        assert_eq!(app.rows("customers"), 1);
    }
}
