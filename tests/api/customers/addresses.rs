//! The one address of a customer: PUT replaces it as one value.

use serde_json::{Value, json};

use crate::harness::on_both_databases;

fn oak_avenue() -> Value {
    json!({
        "street_address": "456 Oak Avenue", "postal_code": 54321, "city": "Los Angeles",
        "state": "California", "country": "United States",
    })
}

fn elsewhere() -> Value {
    json!({"street_address": "Am Graben 1", "city": "Wien", "country": "Austria"})
}

on_both_databases! {
    async fn a_put_creates_the_address_where_there_was_none(app: App) {
        let john = app.john();
        let reply = app.change(&john, &json!({"address": oak_avenue()})).await.expect(200);
        assert_eq!(reply.json()["address"], oak_avenue());
        assert_eq!(app.show(&john).await["address"], oak_avenue());
    }

    async fn a_put_replaces_the_address_and_clears_what_it_leaves_out(app: App) {
        let john = app.john();
        app.change(&john, &json!({"address": oak_avenue()})).await.expect(200);
        let reply = app.change(&john, &json!({"address": elsewhere()})).await.expect(200);
        let mut expected = elsewhere();
        expected["postal_code"] = Value::Null;
        expected["state"] = Value::Null;
        assert_eq!(reply.json()["address"], expected);
        assert_eq!(app.show(&john).await["address"], expected);
    }

    async fn null_clears_state_and_postal_code(app: App) {
        let john = app.john();
        let mut address = oak_avenue();
        app.change(&john, &json!({"address": address})).await.expect(200);
        address["state"] = Value::Null;
        address["postal_code"] = Value::Null;
        assert_eq!(app.change(&john, &json!({"address": address})).await.expect(200).json()["address"], address);
    }

    async fn null_removes_the_address_and_removing_none_is_no_change(app: App) {
        let john = app.john();
        app.change(&john, &json!({"address": oak_avenue()})).await.expect(200);
        for _ in 0..2 {
            let reply = app.change(&john, &json!({"address": null})).await.expect(200);
            assert_eq!(reply.json()["address"], Value::Null);
        }
        assert_eq!(app.show(&john).await["address"], Value::Null);
        assert_eq!(app.etag(&john).await, "\"3\"");
    }

    async fn required_members_must_stand_in_an_address_and_must_not_be_null(app: App) {
        let john = app.john();
        app.change(&john, &json!({"address": oak_avenue()})).await.expect(200);
        app.change(&john, &json!({"address": {}})).await.fields(&[
            ("#/address/street_address", "required"),
            ("#/address/city", "required"),
            ("#/address/country", "required"),
        ]);
        for member in ["street_address", "city", "country"] {
            let pointer = format!("#/address/{member}");
            let mut address = oak_avenue();
            address[member] = Value::Null;
            app.change(&john, &json!({"address": address})).await.fields(&[(&pointer, "null")]);
            address.as_object_mut().expect("an object").remove(member);
            app.change(&john, &json!({"address": address})).await.fields(&[(&pointer, "required")]);
        }
        assert_eq!(app.show(&john).await["address"], oak_avenue());
    }

    async fn members_of_an_address_have_limits(app: App) {
        let john = app.john();
        for (member, least, most) in [("street_address", 1, 255), ("city", 1, 100), ("state", 1, 100), ("country", 4, 100)] {
            let pointer = format!("#/address/{member}");
            for (length, good) in [(least, true), (most, true), (most + 1, false)] {
                let mut address = oak_avenue();
                address[member] = "ü".repeat(length).into();
                let reply = app.change(&john, &json!({"address": address})).await;
                if good {
                    assert_eq!(reply.expect(200).json()["address"], address);
                } else {
                    reply.fields(&[(&pointer, "too_long")]);
                }
            }
        }
        for member in ["street_address", "city"] {
            let mut address = oak_avenue();
            address[member] = "  ".into();
            app.change(&john, &json!({"address": address})).await.fields(&[(&format!("#/address/{member}"), "too_short")]);
        }
    }

    async fn an_unknown_or_read_only_name_inside_an_address_is_unknown(app: App) {
        let john = app.john();
        for member in ["zip", "id", "slug", "Street_address"] {
            let mut address = oak_avenue();
            address[member] = 1.into();
            let pointer = format!("#/address/{member}");
            app.change(&john, &json!({"address": address})).await.fields(&[(&pointer, "unknown_field")]);
        }
    }

    async fn an_iso_code_in_any_case_becomes_the_english_name(app: App) {
        let john = app.john();
        for (code, name) in [
            ("US", "United States"),
            ("us", "United States"),
            ("usa", "United States"),
            (" Usa ", "United States"),
            ("GB", "United Kingdom"),
            ("UK", "United Kingdom"),
            ("uk", "United Kingdom"),
            ("DEU", "Germany"),
            ("ci", "Côte d’Ivoire"),
            ("TUR", "Türkiye"),
        ] {
            let mut address = oak_avenue();
            address["country"] = code.into();
            let reply = app.change(&john, &json!({"address": address})).await.expect(200);
            assert_eq!(reply.json()["address"]["country"], name, "{code}");
        }
    }

    async fn a_country_name_is_kept_and_other_short_text_is_refused(app: App) {
        let john = app.john();
        let mut address = oak_avenue();
        for name in ["Peru", "Wakanda", "united states"] {
            address["country"] = name.into();
            let reply = app.change(&john, &json!({"address": address})).await.expect(200);
            assert_eq!(reply.json()["address"]["country"], name);
        }
        for (bad, codes) in [("XX", ["format"]), ("ZZZ", ["format"]), ("U", ["format"]), ("EU", ["format"]), ("U.K", ["format"])] {
            address["country"] = bad.into();
            app.change(&john, &json!({"address": address})).await.fields(&[("#/address/country", codes[0])]);
        }
        for bad in ["", "   "] {
            address["country"] = bad.into();
            app.change(&john, &json!({"address": address})).await.problem(422, "validation_failed");
        }
    }

    async fn the_empty_text_means_null_for_what_null_clears(app: App) {
        let john = app.john();
        for empty in ["", "  "] {
            let mut address = oak_avenue();
            app.change(&john, &json!({"date_of_birth": "1990-01-15", "address": address})).await.expect(200);
            for member in ["state", "postal_code"] {
                address[member] = empty.into();
            }
            let reply = app.change(&john, &json!({"date_of_birth": empty, "address": address})).await.expect(200).json();
            assert_eq!(reply["date_of_birth"], Value::Null);
            assert_eq!((&reply["address"]["state"], &reply["address"]["postal_code"]), (&Value::Null, &Value::Null));
            assert_eq!(app.change(&john, &json!({"address": empty})).await.expect(200).json()["address"], Value::Null);
        }
    }

    async fn in_a_patch_the_empty_text_clears_one_member_of_an_address(app: App) {
        let member = app.member("rosa@example.com").await;
        app.patch(&member, &json!({"address": oak_avenue()})).await.expect(200);
        let cleared = app.patch(&member, &json!({"address": {"postal_code": ""}})).await.expect(200).json();
        assert_eq!((&cleared["address"]["postal_code"], &cleared["address"]["state"]), (&Value::Null, &json!("California")));
        app.patch(&member, &json!({"address": {"city": ""}})).await.fields(&[("#/address/city", "too_short")]);
    }

    async fn what_is_required_is_not_cleared_by_the_empty_text(app: App) {
        let john = app.john();
        app.change(&john, &json!({"first_name": ""})).await.fields(&[("#/first_name", "too_short")]);
        app.change(&john, &json!({"email": ""})).await.fields(&[("#/email", "too_short")]);
        assert_eq!(app.change(&john, &json!({"last_name": ""})).await.expect(200).json()["last_name"], "");
    }

    async fn a_postal_code_never_changes_on_a_round_trip(app: App) {
        let john = app.john();
        for (sent, shown) in [
            ("54321", "54321"),
            ("0", "0"),
            ("999999999", "999999999"),
            ("\"54321\"", "54321"),
            ("\"0\"", "0"),
            ("\"02134\"", "\"02134\""),
            ("\"00000\"", "\"00000\""),
            ("\"1234567890\"", "\"1234567890\""),
            ("\"SW1A 1AA\"", "\"SW1A 1AA\""),
            ("\" SW1A   1AA \"", "\"SW1A 1AA\""),
            ("\"00-950\"", "\"00-950\""),
            ("\"1234567890123456\"", "\"1234567890123456\""),
        ] {
            let body = |code: &str| {
                format!(r#"{{"address":{{"street_address":"1","city":"B","country":"Peru","postal_code":{code}}}}}"#)
            };
            let expected = format!(r#""postal_code":{shown},"#);
            for code in [sent, shown] {
                let reply = app.change_text(&john, &body(code)).await.expect(200);
                assert!(reply.text().contains(&expected), "{sent}: {}", reply.text());
            }
            let reply = app.get(&john.path()).token(&john.token).send().await.expect(200);
            assert!(reply.text().contains(&expected), "{sent}: {}", reply.text());
        }
    }

    async fn numbers_and_texts_that_are_no_postal_code_are_refused(app: App) {
        let john = app.john();
        for (sent, code) in [
            ("-1", "out_of_range"),
            ("-0", "out_of_range"),
            ("1.5", "out_of_range"),
            ("1.0", "out_of_range"),
            ("1e3", "out_of_range"),
            ("1e400", "out_of_range"),
            ("1000000000", "out_of_range"),
            ("99999999999999999999", "out_of_range"),
            ("true", "type"),
            ("[1]", "type"),
            ("{}", "type"),
            ("\"12345678901234567\"", "too_long"),
            ("\"12_34\"", "format"),
            ("\"12.34\"", "format"),
            ("\"'; DROP TABLE\"", "format"),
        ] {
            let body =
                format!(r#"{{"address":{{"street_address":"1","city":"B","country":"Peru","postal_code":{sent}}}}}"#);
            app.change_text(&john, &body).await.fields(&[("#/address/postal_code", code)]);
        }
    }
}
