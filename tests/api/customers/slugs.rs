//! Slugs: ASCII, unique, and stable until the slug form of the name changes.

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::harness::on_both_databases;

fn slug(customer: &Value) -> &str {
    customer["slug"].as_str().expect("a slug")
}

/// `[a-z0-9]+(-[a-z0-9]+)*`, at most 80 characters.
fn is_well_formed(slug: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    slug.len() <= 80 && slug.split('-').all(word)
}

/// The form, a hyphen and five random characters that cannot be mistaken for each other.
fn is_suffixed(slug: &str, form: &str) -> bool {
    let suffix = slug.strip_prefix(form).and_then(|rest| rest.strip_prefix('-'));
    is_well_formed(slug) && suffix.is_some_and(|suffix| suffix.len() == 5 && !suffix.contains(['0', 'o', '1', 'l']))
}

on_both_databases! {
    async fn the_slug_is_the_full_name_in_ascii(app: App) {
        let john = app.john();
        for (first_name, last_name, expected) in [
            ("Sinéad", "O’Connor", "sinead-oconnor"),
            ("Jean-Luc", "van  der Berg", "jean-luc-van-der-berg"),
            ("Þórður", "Ægisson", "thordur-aegisson"),
            ("Анна", "Петрова", "anna-petrova"),
            ("سعيد", "عبد", "syd-bd"),
            ("יעקב", "לוי", "yqb-lvy"),
            ("ქეთი", "ʻOkina", "keti-okina"),
            ("Madonna", "", "madonna"),
            ("😀", "Doe", "doe"),
            ("😀", "🎉", "customer"),
            ("3PO", "C-3", "3po-c-3"),
            ("--", "_", "customer"),
        ] {
            let reply = app.change(&john, &json!({"first_name": first_name, "last_name": last_name})).await.expect(200);
            assert_eq!(slug(&reply.json()), expected);
        }
    }

    async fn a_long_slug_is_cut_to_80_characters_and_stays_well_formed(app: App) {
        let (john, jane) = (app.john(), app.jane());
        let name = json!({"first_name": format!("{}-b", "a".repeat(79)), "last_name": "c".repeat(150)});
        let first = app.change(&john, &name).await.expect(200).json();
        assert_eq!(slug(&first), "a".repeat(79));
        let second = app.change(&jane, &name).await.expect(200).json();
        assert!(is_suffixed(slug(&second), &"a".repeat(74)), "{second}");
        let expanding = json!({"first_name": "㎢".repeat(150), "last_name": "王".repeat(150)});
        let third = app.change(&john, &expanding).await.expect(200).json();
        assert!(is_well_formed(slug(&third)), "{third}");
    }

    async fn the_first_holder_has_the_plain_slug_and_a_later_one_a_suffix(app: App) {
        let (john, jane) = (app.john(), app.jane());
        let reply = app.change(&jane, &json!({"first_name": "John", "last_name": "Doe"})).await.expect(200).json();
        assert!(is_suffixed(slug(&reply), "john-doe"), "{reply}");
        assert_eq!(slug(&app.show(&john).await), "john-doe");
        let nameless = json!({"first_name": "😀", "last_name": ""});
        assert_eq!(slug(&app.change(&john, &nameless).await.expect(200).json()), "customer");
        let reply = app.change(&jane, &nameless).await.expect(200).json();
        assert!(is_suffixed(slug(&reply), "customer"), "{reply}");
    }

    async fn the_slug_stays_when_its_form_stays(app: App) {
        let (_john, jane) = (app.john(), app.jane());
        let doe = json!({"first_name": "John", "last_name": "Doe"});
        let before = app.change(&jane, &doe).await.expect(200).json();
        for change in [
            json!({"first_name": "JOHN", "last_name": "doe"}),
            json!({"first_name": "Jöhn"}),
            json!({"first_name": "John-Doe", "last_name": ""}),
            json!({"email": "new@example.com"}),
            doe,
        ] {
            let after = app.change(&jane, &change).await.expect(200).json();
            assert_eq!(slug(&after), slug(&before), "{change}");
        }
    }

    async fn one_name_alone_changes_the_slug_of_both(app: App) {
        let john = app.john();
        assert_eq!(slug(&app.change(&john, &json!({"last_name": "Smith"})).await.expect(200).json()), "john-smith");
        assert_eq!(slug(&app.change(&john, &json!({"first_name": "Jon"})).await.expect(200).json()), "jon-smith");
    }

    async fn a_slug_that_was_left_is_free_again(app: App) {
        let (john, jane) = (app.john(), app.jane());
        app.change(&john, &json!({"last_name": "Smith"})).await.expect(200);
        let reply = app.change(&jane, &json!({"first_name": "John", "last_name": "Doe"})).await.expect(200).json();
        assert_eq!(slug(&reply), "john-doe");
    }

    async fn going_back_to_an_old_name_gives_its_plain_slug_again(app: App) {
        let john = app.john();
        app.change(&john, &json!({"last_name": "Smith"})).await.expect(200);
        assert_eq!(slug(&app.change(&john, &json!({"last_name": "Doe"})).await.expect(200).json()), "john-doe");
    }

    async fn a_name_that_looks_like_a_suffixed_slug_meets_no_500(app: App) {
        let (_john, jane) = (app.john(), app.jane());
        let suffixed = app.change(&jane, &json!({"first_name": "John", "last_name": "Doe"})).await.expect(200).json();
        let last_name = slug(&suffixed).strip_prefix("john-").expect("the first name");
        let ann = app.customer(125, "ann@example.com", "Ann", "Poe");
        let reply = app.change(&ann, &json!({"first_name": "John", "last_name": last_name})).await.expect(200).json();
        assert!(is_suffixed(slug(&reply), slug(&suffixed)), "{reply}");
    }

    async fn what_changes_nothing_shows_the_stored_slug_though_the_name_would_be_written_otherwise_today(app: App) {
        let john = app.john();
        let stored = "UPDATE customers SET first_name_slug = 'iohannes', slug = 'iohannes-doe' WHERE id = 123";
        app.connection().batch_execute(stored).expect("a slug of another transliteration");
        let reply = app.change(&john, &json!({"first_name": "John", "last_name": "Doe"})).await.expect(200).json();
        assert_eq!(slug(&reply), "iohannes-doe");
        assert_eq!(app.show(&john).await, reply);
        assert_eq!(app.etag(&john).await, "\"1\"");
    }
}
