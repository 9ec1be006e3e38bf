//! What was typed on a page whose session has ended is there again after signing in.

use super::visitor::{Visitor, heading, value_of};
use crate::harness::{App, PASSWORD, on_both_databases};

/// The hidden inputs of the form for signing in, and email and password.
fn sign_in_form<'a>(page: &str, names: &[&'a str], email: &'a str) -> Vec<(&'a str, String)> {
    let hidden = names.iter().map(|name| (*name, value_of(page, name)));
    hidden.chain([("email", email.to_owned()), ("password", PASSWORD.to_owned())]).collect()
}

fn borrowed<'a>(form: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    form.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

const CARRIED: [&str; 6] =
    ["next", "carried.owner", "carried.version", "carried.first_name", "carried.last_name", "carried.address.city"];

async fn end_all_sessions(app: &App) {
    app.execute("DELETE FROM sessions");
}

on_both_databases! {
    async fn a_profile_that_was_typed_too_late_is_there_after_signing_in(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = value_of(&visitor.page("/account/profile").await, "version");
        for without_cookie in [false, true] {
            end_all_sessions(&app).await;
            if without_cookie {
                visitor.set_cookie(None);
            }
            let typed = [("version", version.as_str()), ("first_name", "Ada <3"), ("last_name", "L"), ("address.city", "London")];
            let page = visitor.submit("/account/profile", &typed).await.expect(401).page();
            assert_eq!(heading(&page), "Sign in");
            assert!(page.contains("what you typed is kept"), "{page}");
            let form = sign_in_form(&page, &CARRIED, "ada@example.com");
            // A wrong password does not lose it either.
            let mut wrong = borrowed(&form);
            wrong.retain(|(name, _)| *name != "password");
            wrong.push(("password", "not this one"));
            let page = visitor.submit("/account/sign-in", &wrong).await.expect(401).page();
            let form = sign_in_form(&page, &CARRIED, "ada@example.com");
            let page = visitor.submit("/account/sign-in", &borrowed(&form)).await.expect(200).page();
            assert_eq!(heading(&page), "Personal details");
            assert_eq!(value_of(&page, "first_name"), "Ada <3");
            assert_eq!(value_of(&page, "address.city"), "London");
            assert_eq!(value_of(&page, "version"), version);
            visitor.page("/account/").await;
        }
        let saved = [("version", version.as_str()), ("first_name", "Ada <3"), ("last_name", "L")];
        visitor.submit("/account/profile", &saved).await.leads_to("/account/?done=profile");
    }

    async fn another_customer_who_signs_in_does_not_get_it(app: App) {
        app.member("bob@example.com").await;
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = value_of(&visitor.page("/account/profile").await, "version");
        end_all_sessions(&app).await;
        let typed = [("version", version.as_str()), ("first_name", "Ada"), ("last_name", "L"), ("address.city", "London")];
        let page = visitor.submit("/account/profile", &typed).await.expect(401).page();
        let form = sign_in_form(&page, &CARRIED, "bob@example.com");
        visitor.submit("/account/sign-in", &borrowed(&form)).await.leads_to("/account/profile");
        assert_eq!(value_of(&visitor.page("/account/profile").await, "first_name"), "Rosa");
    }
}
