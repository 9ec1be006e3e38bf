//! Two windows with one form.

use serde_json::json;

use super::visitor::{Visitor, value_of};
use crate::harness::{PASSWORD, on_both_databases};

on_both_databases! {
    async fn both_values_are_shown_and_nothing_is_lost(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = value_of(&visitor.page("/account/profile").await, "version");
        let member = app.session_of("ada@example.com", PASSWORD).await;
        let address = json!({"street_address": "Am Graben 1", "city": "Wien", "country": "Austria"});
        let change = json!({"first_name": "Augusta", "date_of_birth": "1990-12-10", "address": address});
        app.change(&member, &change).await.expect(200);
        let typed = [
            ("version", version.as_str()),
            ("first_name", "Ada"),
            ("last_name", "Delgado"),
            ("date_of_birth", ""),
            ("address.street_address", "Am  Graben 1 "),
            ("address.postal_code", ""),
            ("address.city", "Linz"),
            ("address.state", ""),
            ("address.country", "Germany"),
        ];
        let page = visitor.submit("/account/profile", &typed).await.expect(409).page();
        assert!(page.contains("Your details were changed meanwhile"), "{page}");
        for stored in ["Augusta", "10 December 1990", "Wien", "Austria"] {
            assert!(page.contains(&format!("Stored now: <bdi>{stored}</bdi>")), "{stored}: {page}");
        }
        assert_eq!(page.matches("Stored now").count(), 4, "{page}");
        assert_eq!((value_of(&page, "first_name"), value_of(&page, "address.city")), ("Ada".into(), "Linz".into()));
        assert_eq!(app.show(&member).await["first_name"], "Augusta");
        // The form is made from the newest version now, so saving it again is a decision.
        let newest = value_of(&page, "version");
        assert_ne!(newest, version);
        let mut decided = typed;
        decided[0].1 = &newest;
        visitor.submit("/account/profile", &decided).await.leads_to("/account/?done=profile");
        let shown = app.show(&member).await;
        assert_eq!((&shown["first_name"], &shown["address"]["country"]), (&json!("Ada"), &json!("Germany")));
    }

    async fn a_form_that_is_sent_twice_is_saved_once_and_is_no_conflict(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = value_of(&visitor.page("/account/profile").await, "version");
        let typed = [("version", version.as_str()), ("first_name", " Ada"), ("last_name", "Lovelace"), ("date_of_birth", "")];
        let both = futures_util::future::join(
            visitor.submit("/account/profile", &typed),
            visitor.submit("/account/profile", &typed),
        );
        let (one, other) = both.await;
        one.leads_to("/account/?done=profile");
        other.leads_to("/account/?done=profile");
        assert_eq!(app.number("SELECT version AS value FROM customers"), 2);
    }

    async fn removing_an_address_that_has_changed_is_asked_again(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        let version = value_of(&visitor.page("/account/profile").await, "version");
        let member = app.session_of("ada@example.com", PASSWORD).await;
        let address = json!({"street_address": "Am Graben 1", "city": "Wien", "country": "Austria"});
        app.change(&member, &json!({"address": address})).await.expect(200);
        let typed = [("version", version.as_str()), ("first_name", "Rosa"), ("last_name", "Delgado"), ("remove_address", "yes")];
        let page = visitor.submit("/account/profile", &typed).await.expect(409).page();
        assert!(page.contains("value=\"yes\" checked"), "{page}");
        assert_eq!(app.rows("addresses"), 1);
    }

    async fn a_form_without_its_version_changes_nothing(app: App) {
        let visitor = Visitor::registered(&app, "ada@example.com").await;
        for version in [&[][..], &[("version", "")], &[("version", "1")], &[("version", "x.1")], &[("version", "1.1")]] {
            let form = [version, &[("first_name", "Eve")]].concat();
            visitor.submit("/account/profile", &form).await.expect(409).page();
        }
        assert_eq!(app.number("SELECT version AS value FROM customers"), 1);
    }
}
