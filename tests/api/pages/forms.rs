//! What is wrong with a form stands at its fields, and what was typed stays.

use super::visitor::{Visitor, error_of, value_of};
use crate::harness::{PASSWORD, on_both_databases};

on_both_databases! {
    async fn every_error_of_a_registration_stands_at_its_field(app: App) {
        let visitor = Visitor::new(&app);
        let form = [("email", "<ada>"), ("first_name", " "), ("last_name", "Love\"lace"), ("password", "short")];
        let reply = visitor.submit("/account/register", &form).await.expect(422);
        let page = reply.page();
        assert_eq!(
            error_of(&page, "email").as_deref(),
            Some("This does not look like an email address. It should look like name@example.com.")
        );
        assert_eq!(error_of(&page, "first-name").as_deref(), Some("Please enter your first name."));
        assert_eq!(error_of(&page, "last-name"), None);
        assert_eq!(error_of(&page, "password").as_deref(), Some("Please use at least 8 characters."));
        assert!(page.contains("href=\"#email\"") && page.contains("href=\"#password\""));
        assert!(reply.text().contains("value=\"&lt;ada&gt;\"") && reply.text().contains("Love&quot;lace"));
        assert!(!page.contains("short"));
        assert_eq!(app.rows("customers"), 0);
    }

    async fn a_weak_password_is_told_with_the_other_errors(app: App) {
        let visitor = Visitor::new(&app);
        let form = [("email", "ada"), ("first_name", "Ada"), ("last_name", ""), ("password", "password1")];
        let page = visitor.submit("/account/register", &form).await.expect(422).page();
        assert!(error_of(&page, "email").is_some());
        assert!(error_of(&page, "password").is_some_and(|error| error.contains("easy to guess")), "{page}");
    }

    async fn of_a_registration_that_is_sent_twice_one_has_an_effect(app: App) {
        let form = [("email", "ada@example.com"), ("first_name", "Ada"), ("last_name", "L"), ("password", PASSWORD)];
        let visitors: Vec<Visitor> = (0..4).map(|_| Visitor::new(&app)).collect();
        let replies = futures_util::future::join_all(visitors.iter().map(|visitor| visitor.submit("/account/register", &form))).await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409, 409, 409]);
        assert_eq!(app.rows("customers"), 1);
        let taken = replies.iter().find(|reply| reply.status() == 409).expect("a second one").page();
        assert_eq!(error_of(&taken, "email").as_deref(), Some("There is an account with this email address already."));
        assert_eq!(value_of(&taken, "email"), "ada@example.com");
        assert!(taken.contains("Is this you?") && taken.contains("/account/sign-in"), "{taken}");
    }

    async fn a_wrong_password_says_no_more_than_that_both_do_not_fit(app: App) {
        app.member("ada@example.com").await;
        let visitor = Visitor::new(&app);
        let mut pages = Vec::new();
        for (email, password) in [("ada@example.com", "not this one"), ("nobody@example.com", PASSWORD)] {
            let form = [("email", email), ("password", password)];
            let page = visitor.submit("/account/sign-in", &form).await.expect(401).page();
            assert_eq!(value_of(&page, "email"), email);
            assert!(!page.contains(password) && page.contains("do not go together"), "{page}");
            pages.push(page.replace(email, ""));
        }
        assert_eq!(pages[0], pages[1]);
        assert_eq!(visitor.cookie(), None);
    }

    async fn what_is_typed_in_a_profile_stays_until_it_is_right(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let page = visitor.page("/account/profile").await;
        let version = value_of(&page, "version");
        let form = [
            ("version", version.as_str()),
            ("first_name", ""),
            ("last_name", "Lovelace"),
            ("date_of_birth", "1815-12-10"),
            ("address.street_address", ""),
            ("address.postal_code", "SW1Y$"),
            ("address.city", "London"),
            ("address.state", ""),
            ("address.country", ""),
        ];
        let page = visitor.submit("/account/profile", &form).await.expect(422).page();
        for (id, error) in [
            ("first-name", "Please enter your first name."),
            ("date-of-birth", "Please enter a date between 1900 and today."),
            ("address-street-address", "Please enter the street and number."),
            ("address-postal-code", "Please use only letters, digits, spaces and hyphens."),
            ("address-country", "Please choose a country."),
        ] {
            assert_eq!(error_of(&page, id).as_deref(), Some(error), "{page}");
        }
        assert_eq!((error_of(&page, "address-city"), error_of(&page, "address-state")), (None, None));
        assert_eq!(value_of(&page, "last_name"), "Lovelace");
        assert_eq!(value_of(&page, "date_of_birth"), "1815-12-10");
        assert_eq!(value_of(&page, "address.postal_code"), "SW1Y$");
        assert_eq!(value_of(&page, "version"), version);
        let right = form.map(|(name, value)| match name {
            "first_name" => (name, "Ada"),
            "date_of_birth" => (name, "1915-12-10"),
            "address.street_address" => (name, "12 St James's Square"),
            "address.postal_code" => (name, "01234"),
            "address.country" => (name, "United Kingdom"),
            _ => (name, value),
        });
        visitor.submit("/account/profile", &right).await.leads_to("/account/?done=profile");
        let page = visitor.page("/account/profile").await;
        assert_eq!(value_of(&page, "address.postal_code"), "01234");
        assert!(page.contains("<option value=\"United Kingdom\" selected>"), "{page}");
        let page = visitor.page("/account/?done=profile").await;
        assert!(page.contains("Your details are saved.") && page.contains("10 December 1915"), "{page}");
    }

    async fn an_address_goes_when_it_is_emptied_or_ticked_off(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = async || value_of(&visitor.page("/account/profile").await, "version");
        let names = ["street_address", "postal_code", "city", "state", "country"].map(|name| format!("address.{name}"));
        let form = |version: &str, values: [&str; 5], removing: bool| {
            let mut form = vec![("version".to_owned(), version.to_owned()), ("first_name".into(), "Ada".into())];
            form.extend(names.iter().cloned().zip(values.map(ToOwned::to_owned)));
            form.extend(removing.then(|| ("remove_address".to_owned(), "yes".to_owned())));
            form
        };
        let full = ["Am Graben 1", "1010", "Wien", "", "Austria"];
        for (values, removing) in [([""; 5], false), (full, true)] {
            for (values, removing, rows) in [(full, false, 1), (values, removing, 0)] {
                let form = form(&version().await, values, removing);
                let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                visitor.submit("/account/profile", &form).await.leads_to("/account/?done=profile");
                assert_eq!(app.rows("addresses"), rows);
            }
        }
    }

    async fn a_password_changes_with_the_current_one(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let other = app.session_of("ada@example.com", PASSWORD).await;
        let form = [("current_password", "not this one"), ("new_password", "short")];
        let page = visitor.submit("/account/password", &form).await.expect(422).page();
        assert_eq!(error_of(&page, "new-password").as_deref(), Some("Please use at least 8 characters."));
        let form = [("current_password", "not this one"), ("new_password", "analytical engine no 1")];
        let page = visitor.submit("/account/password", &form).await.expect(422).page();
        assert_eq!(error_of(&page, "current-password").as_deref(), Some("This is not your current password."));
        assert!(!page.contains("analytical"));
        let form = [("current_password", PASSWORD), ("new_password", "analytical engine no 1")];
        visitor.submit("/account/password", &form).await.leads_to("/account/?done=password");
        visitor.page("/account/").await;
        app.profile(&other).await.problem(401, "session_ended");
        app.sign_in("ada@example.com", "analytical engine no 1").await.expect(200);
    }

    async fn erasing_asks_for_the_password_and_leaves_nothing(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let page = visitor.submit("/account/erase", &[("current_password", "not this one")]).await.expect(422).page();
        assert_eq!(error_of(&page, "current-password").as_deref(), Some("This is not your current password."));
        visitor.submit("/account/erase", &[]).await.expect(422).page();
        assert_eq!(app.rows("customers"), 1);
        visitor.submit("/account/erase", &[("current_password", PASSWORD)]).await.leads_to("/account/erased");
        assert_eq!((app.rows("customers"), app.rows("sessions"), visitor.cookie()), (0, 0, None));
        visitor.page("/account/erased").await;
        visitor.get("/account/").await.leads_to("/account/sign-in");
    }
}
