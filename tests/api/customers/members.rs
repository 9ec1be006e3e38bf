//! The members of a customer: absent, null, their limits, what is made of them.

use chrono::{Duration, Utc};
use serde_json::{Value, json};

use crate::harness::on_both_databases;

const OAK_AVENUE: &str = include_str!("../seed/request.json");

fn seed() -> Value {
    serde_json::from_str(OAK_AVENUE).expect("the seed")
}

on_both_databases! {
    async fn an_absent_member_stays_as_it_is(app: App) {
        let john = app.john();
        let before = app.change(&john, &seed()).await.expect(200).json();
        for member in ["email", "first_name", "last_name", "date_of_birth", "address"] {
            let mut body = seed();
            body.as_object_mut().expect("an object").remove(member);
            assert_eq!(app.change(&john, &body).await.expect(200).json(), before, "{member}");
        }
    }

    async fn an_empty_object_changes_nothing(app: App) {
        let john = app.john();
        let before = app.change(&john, &seed()).await.expect(200).json();
        assert_eq!(app.change(&john, &json!({})).await.expect(200).json(), before);
    }

    async fn one_member_alone_changes_only_itself(app: App) {
        let john = app.john();
        let mut expected = app.change(&john, &seed()).await.expect(200).json();
        for (member, value) in [("email", "jd@example.org"), ("date_of_birth", "1991-02-16")] {
            expected[member] = value.into();
            assert_eq!(app.change(&john, &json!({member: value})).await.expect(200).json(), expected);
        }
        assert_eq!(app.show(&john).await, expected);
    }

    async fn null_is_refused_for_email_and_names(app: App) {
        let john = app.john();
        for member in ["email", "first_name", "last_name"] {
            app.change(&john, &json!({member: null})).await.fields(&[(&format!("#/{member}"), "null")]);
        }
    }

    async fn null_clears_the_date_of_birth(app: App) {
        let john = app.john();
        app.change(&john, &seed()).await.expect(200);
        let reply = app.change(&john, &json!({"date_of_birth": null})).await.expect(200);
        assert_eq!(reply.json()["date_of_birth"], Value::Null);
        assert_eq!(app.show(&john).await["date_of_birth"], Value::Null);
    }

    async fn names_have_limits_in_characters(app: App) {
        let john = app.john();
        for (member, value, outcome) in [
            ("first_name", "é".repeat(150), None),
            ("first_name", "é".repeat(151), Some("too_long")),
            ("first_name", String::new(), Some("too_short")),
            ("first_name", " \t ".to_owned(), Some("too_short")),
            ("last_name", "界".repeat(150), None),
            ("last_name", "界".repeat(151), Some("too_long")),
            ("last_name", String::new(), None),
        ] {
            let reply = app.change(&john, &json!({member: value})).await;
            match outcome {
                None => assert_eq!(reply.expect(200).json()[member], value),
                Some(code) => reply.fields(&[(&format!("#/{member}"), code)]),
            }
        }
    }

    async fn text_is_trimmed_collapsed_and_composed(app: App) {
        let john = app.john();
        for (sent, kept) in [
            ("  Mary \t Ann\n", "Mary Ann"),
            ("\u{a0}Mary\u{3000}Ann\u{2003}", "Mary Ann"),
            ("Rene\u{301}", "Ren\u{e9}"),
            ("O’Brien", "O’Brien"),
            ("محمد", "محمد"),
            ("小明", "小明"),
            ("👩‍👩‍👧", "👩‍👩‍👧"),
        ] {
            let reply = app.change(&john, &json!({"first_name": sent})).await.expect(200);
            assert_eq!(reply.json()["first_name"], kept);
            assert_eq!(app.show(&john).await["first_name"], kept);
        }
    }

    async fn limits_count_what_is_left_after_normalisation(app: App) {
        let john = app.john();
        let decomposed = "e\u{301}".repeat(150);
        let reply = app.change(&john, &json!({"first_name": format!("   {decomposed}   ")})).await.expect(200);
        assert_eq!(reply.json()["first_name"], "é".repeat(150));
    }

    async fn control_characters_and_bidirectional_overrides_are_refused(app: App) {
        let john = app.john();
        for hidden in ["\0", "\u{1}", "\u{7}", "\u{1b}", "\u{7f}", "\u{80}", "\u{202a}", "\u{202e}", "\u{2066}", "\u{2069}"] {
            let value = format!("Jo{hidden}hn");
            for member in ["first_name", "last_name"] {
                app.change(&john, &json!({member: value})).await.fields(&[(&format!("#/{member}"), "format")]);
            }
            let address = json!({"street_address": value, "city": value, "state": value, "country": value, "postal_code": value});
            app.change(&john, &json!({"address": address})).await.fields(&[
                ("#/address/street_address", "format"),
                ("#/address/city", "format"),
                ("#/address/state", "format"),
                ("#/address/country", "format"),
                ("#/address/postal_code", "format"),
            ]);
        }
    }

    async fn a_name_needs_something_that_can_be_seen(app: App) {
        let john = app.john();
        for unseen in ["\u{200b}", "\u{200d}\u{200c}\u{2060}", "\u{feff} \u{ad}", "\u{3164}", "\u{2800}"] {
            for member in ["first_name", "last_name"] {
                app.change(&john, &json!({member: unseen})).await.fields(&[(&format!("#/{member}"), "format")]);
            }
            let address = json!({"street_address": unseen, "city": unseen, "country": "Peru"});
            let fields = [("#/address/street_address", "format"), ("#/address/city", "format")];
            app.change(&john, &json!({"address": address})).await.fields(&fields);
        }
    }

    async fn joiners_inside_names_stay(app: App) {
        let john = app.john();
        for name in ["محمد\u{200c}رضا", "क्\u{200d}षमा", "葛\u{e0100}城", "👩\u{200d}👧"] {
            let reply = app.change(&john, &json!({"first_name": name})).await.expect(200);
            assert_eq!(reply.json()["first_name"], name);
        }
    }

    async fn a_limit_is_told_in_numbers(app: App) {
        let john = app.john();
        let long = "x".repeat(1_000);
        let body = json!({
            "email": format!("a@{long}"), "first_name": "", "last_name": long, "date_of_birth": "1899-12-31",
            "address": {"street_address": long, "city": "", "country": long, "postal_code": -1, "state": long},
        });
        let reply = app.change(&john, &body).await;
        let params: Vec<(Value, Value)> = reply.json()["errors"].as_array().expect("errors").iter()
            .map(|error| (error["pointer"].clone(), error["params"].clone())).collect();
        for (pointer, expected) in [
            ("#/email", json!({"max": 254})), ("#/first_name", json!({"min": 1})), ("#/last_name", json!({"max": 150})),
            ("#/address/street_address", json!({"max": 255})), ("#/address/city", json!({"min": 1})),
            ("#/address/country", json!({"max": 100})), ("#/address/state", json!({"max": 100})),
            ("#/address/postal_code", json!({"min": 0, "max": 999_999_999})),
        ] {
            assert!(params.contains(&(pointer.into(), expected)), "{pointer}: {params:?}");
        }
        let date = params.iter().find(|(pointer, _)| pointer == "#/date_of_birth").expect("the date");
        assert_eq!(date.1["min"], "1900-01-01");
        let password = json!({"email": "a@b.example", "first_name": "A", "last_name": "B", "password": "short"});
        let reply = app.register(&password).await;
        assert_eq!(reply.json()["errors"][0]["params"], json!({"min": 8}));
    }

    async fn dates_of_birth_are_real_days_since_1900(app: App) {
        let john = app.john();
        for good in ["1900-01-01", "2024-02-29", "2000-02-29", "1990-12-31"] {
            let reply = app.change(&john, &json!({"date_of_birth": good})).await.expect(200);
            assert_eq!(reply.json()["date_of_birth"], good);
        }
        for (bad, code) in [
            ("1899-12-31", "out_of_range"),
            ("0001-01-01", "out_of_range"),
            ("9999-12-31", "out_of_range"),
            ("2023-02-29", "format"),
            ("1900-02-29", "format"),
            ("1990-13-01", "format"),
            ("1990-00-10", "format"),
            ("1990-01-32", "format"),
            ("1990-1-15", "format"),
            ("15.01.1990", "format"),
            ("1990-01-15T00:00:00Z", "format"),
            ("19900115", "format"),
            ("１９９０-01-15", "format"),
        ] {
            app.change(&john, &json!({"date_of_birth": bad})).await.fields(&[("#/date_of_birth", code)]);
        }
    }

    async fn today_at_utc_plus_14_is_the_last_date_of_birth(app: App) {
        let john = app.john();
        // Read before and after, in case midnight passes between.
        let today = || (Utc::now() + Duration::hours(14)).date_naive();
        let day = today();
        app.change(&john, &json!({"date_of_birth": day.to_string()})).await.expect(200);
        let after_tomorrow = today() + Duration::days(2);
        let reply = app.change(&john, &json!({"date_of_birth": after_tomorrow.to_string()})).await;
        reply.fields(&[("#/date_of_birth", "out_of_range")]);
        let tomorrow = day + Duration::days(1);
        let reply = app.change(&john, &json!({"date_of_birth": tomorrow.to_string()})).await;
        if today() == day {
            reply.fields(&[("#/date_of_birth", "out_of_range")]);
        }
    }

    async fn a_wrong_json_type_is_named_for_each_member(app: App) {
        let john = app.john();
        for value in [json!(1), json!(true), json!([]), json!({})] {
            for member in ["email", "first_name", "last_name", "date_of_birth"] {
                app.change(&john, &json!({member: value})).await.fields(&[(&format!("#/{member}"), "type")]);
            }
        }
        for value in [json!(1), json!(true), json!([]), json!("456 Oak Avenue")] {
            app.change(&john, &json!({"address": value})).await.fields(&[("#/address", "type")]);
        }
    }

    async fn read_only_members_are_accepted_and_ignored(app: App) {
        let john = app.john();
        let before = app.change(&john, &seed()).await.expect(200).json();
        let version = app.etag(&john).await;
        for value in [json!("mallory"), json!(7), json!(null), json!({"a": [1]})] {
            for member in ["slug", "id", "last_purchase_date", "created_at", "updated_at"] {
                assert_eq!(app.change(&john, &json!({member: value})).await.expect(200).json(), before, "{member}");
            }
        }
        assert_eq!(app.etag(&john).await, version);
    }

    async fn an_unknown_member_is_refused_with_its_pointer(app: App) {
        let john = app.john();
        app.change(&john, &json!({"frist_name": "Jon", "last_name": "Doe"})).await.fields(&[("#/frist_name", "unknown_field")]);
        app.change(&john, &json!({"Email": "x@example.com"})).await.fields(&[("#/Email", "unknown_field")]);
        app.change(&john, &json!({"a/b~c": 1, "": 2})).await.fields(&[("#/a~1b~0c", "unknown_field"), ("#/", "unknown_field")]);
        app.change(&john, &json!({"version": 3})).await.fields(&[("#/version", "unknown_field")]);
    }

    async fn every_field_error_comes_in_one_reply_and_nothing_is_written(app: App) {
        let john = app.john();
        let before = app.show(&john).await;
        let body = json!({
            "email": "nobody", "first_name": "", "last_name": "Changed", "date_of_birth": "yesterday", "nick": 1,
            "address": {"street_address": 1, "postal_code": -1, "country": "XX", "planet": "Earth"},
        });
        app.change(&john, &body).await.fields(&[
            ("#/email", "format"),
            ("#/first_name", "too_short"),
            ("#/date_of_birth", "format"),
            ("#/nick", "unknown_field"),
            ("#/address/street_address", "type"),
            ("#/address/postal_code", "out_of_range"),
            ("#/address/country", "format"),
            ("#/address/city", "required"),
            ("#/address/planet", "unknown_field"),
        ]);
        assert_eq!(app.show(&john).await, before);
    }
}
