//! `customer`, `token`, `seed`: what they print is what a script can use.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Binary, on_both_databases};

const JOHN: [&str; 8] =
    ["customer", "create", "--email", "john@example.com", "--first-name", "John", "--last-name", "Doe"];

/// John's arguments and more.
fn john_and<'a>(more: &[&'a str]) -> Vec<&'a str> {
    JOHN.iter().chain(more).copied().collect()
}

on_both_databases! {
    async fn customer_create_prints_the_id_alone(app: App) {
        let binary = Binary::on(app.database_url());
        assert_eq!(binary.run(&john_and(&["--id", "123", "--date-of-birth", "1990-01-15"])).done(), "123");
        let john = app.person(123);
        let expected = json!({
            "email": "john@example.com", "first_name": "John", "last_name": "Doe", "slug": "john-doe",
            "date_of_birth": "1990-01-15", "address": null,
        });
        assert_eq!(app.show(&john).await, expected);
        let shown = binary.run(&["customer", "show", "123"]);
        assert_eq!(serde_json::from_str::<Value>(shown.done()).expect("JSON"), expected);
    }

    async fn customer_create_makes_an_id_that_javascript_can_read(app: App) {
        let binary = Binary::on(app.database_url());
        let id: i64 = binary.run(&JOHN).done().parse().expect("an id alone");
        assert!((1..1_i64 << 53).contains(&id), "{id}");
        let john = app.person(id);
        assert_eq!(app.show(&john).await["email"], "john@example.com");
    }

    async fn customer_create_refuses_what_the_service_refuses(app: App) {
        let binary = Binary::on(app.database_url());
        binary.run(&john_and(&["--id", "123"])).done();
        binary.run(&john_and(&["--id", "124"])).refused(1, &["email"]);
        let other_email = ["customer", "create", "--email", "x@example.com", "--first-name", "X", "--last-name", ""];
        binary.run(&[&other_email[..], &["--id", "123"]].concat()).refused(1, &["id"]);
        for (name, value) in
            [("--email", "nobody"), ("--first-name", ""), ("--date-of-birth", "2023-02-29"), ("--id", "0"), ("--id", "x")]
        {
            let arguments: Vec<&str> = match JOHN.iter().position(|argument| *argument == name) {
                Some(place) => JOHN.iter().enumerate().map(|(n, a)| if n == place + 1 { value } else { a }).collect(),
                None => john_and(&[name, value]),
            };
            let finished = binary.run(&arguments);
            assert_eq!((finished.code, finished.out.as_str()), (Some(2), ""), "{arguments:?}: {finished:?}");
            assert!(finished.err.contains(name), "{finished:?}");
        }
    }

    async fn customer_show_of_nobody_fails(app: App) {
        Binary::on(app.database_url()).run(&["customer", "show", "124"]).refused(1, &["124"]);
    }

    async fn token_issue_prints_a_good_token_alone(app: App) {
        let john = app.john();
        let binary = Binary::on(app.database_url());
        for ttl in [&[][..], &["--ttl", "60"]] {
            let finished = binary.run(&[&["token", "issue", "--customer", "123"], ttl].concat());
            let token = finished.done();
            assert_eq!(token.split('.').count(), 3);
            app.get(&john.path()).token(token).send().await.expect(200);
        }
    }

    async fn token_issue_refuses_what_is_no_id_or_no_time(app: App) {
        let binary = Binary::on(app.database_url());
        for arguments in [&["--customer", "0"][..], &["--customer", "me"], &[], &["--customer", "1", "--ttl", "0"]] {
            let finished = binary.run(&[&["token", "issue"], arguments].concat());
            assert_eq!((finished.code, finished.out.as_str()), (Some(2), ""), "{finished:?}");
        }
    }

    async fn seed_makes_customers_with_addresses_and_a_line_for_each(app: App) {
        let binary = Binary::on(app.database_url());
        let path = binary.folder().join("tokens.tsv");
        for _ in 0..2 {
            binary.run(&["seed", "--customers", "1500", "--tokens", "tokens.tsv"]).done();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        }
        binary.run(&["seed", "--customers", "1500", "--tokens", "tokens.tsv"]).done();
        let lines = std::fs::read_to_string(&path).expect("the file of tokens");
        assert_eq!(std::fs::metadata(&path).expect("its metadata").permissions().mode() & 0o777, 0o600);
        let rows: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(rows.len(), 1500);
        for (number, row) in (1..).zip(&rows) {
            assert_eq!((row.len(), row[0]), (5, number.to_string().as_str()));
        }
        for row in [&rows[0], &rows[999], &rows[1000], &rows[1499]] {
            let path = format!("/api/v1/customers/{}/", row[0]);
            let shown = app.get(&path).token(row[1]).send().await.expect(200).json();
            assert_eq!((shown["email"].as_str(), shown["first_name"].as_str()), (Some(row[2]), Some(row[3])));
            assert_eq!(shown["last_name"].as_str(), Some(row[4]));
            assert!(shown["address"]["city"].is_string());
        }
        app.get("/api/v1/customers/1501/").token(&app.token(1501)).send().await.problem(404, "not_found");
    }

    async fn seed_leaves_customers_who_exist_as_they_are(app: App) {
        let kept = app.customer(7, "seven@example.com", "Seven", "Of Nine");
        let before = app.show(&kept).await;
        Binary::on(app.database_url()).run(&["seed", "--customers", "10"]).done();
        assert_eq!(app.show(&kept).await, before);
        assert!(app.show(&app.person(10)).await["address"].is_object());
    }

    async fn seed_makes_all_n_customers_where_others_hold_their_emails_and_names(app: App) {
        let empty = app.empty_database();
        let elsewhere = app.instance(&[("DATABASE_URL", &empty.url)]);
        Binary::on(&empty.url).run(&["seed", "--customers", "4"]).done();
        let fourth = elsewhere.show(&app.person(4)).await;
        let text = |member: &str| fourth[member].as_str().expect("a text").to_owned();
        app.customer(50, "customer3@example.com", "Some", "Body");
        app.customer(51, "another@example.com", &text("first_name"), &text("last_name"));

        let binary = Binary::on(app.database_url());
        binary.run(&["seed", "--customers", "5", "--tokens", "tokens.tsv"]).done();
        let lines = std::fs::read_to_string(binary.folder().join("tokens.tsv")).expect("the file of tokens");
        assert_eq!(lines.lines().count(), 5);
        for line in lines.lines() {
            let row: Vec<&str> = line.split('\t').collect();
            let path = format!("/api/v1/customers/{}/", row[0]);
            let shown = app.get(&path).token(row[1]).send().await.expect(200).json();
            assert_eq!([&shown["email"], &shown["first_name"], &shown["last_name"]], [row[2], row[3], row[4]]);
        }
    }
}

#[test]
fn help_teaches_and_an_unknown_command_is_a_usage_error() {
    let binary = Binary::bare();
    let help = binary.run(&["--help"]);
    for word in ["serve", "migrate", "customer", "token", "seed", "backup", "config", "Examples"] {
        assert!(help.done().contains(word), "{word}");
    }
    for arguments in [&["customer", "create", "--help"][..], &["token", "issue", "--help"], &["seed", "--help"]] {
        assert!(binary.run(arguments).done().contains("Usage"));
    }
    assert!(binary.run(&["--version"]).done().starts_with("clientele "));
    for arguments in [&["nonsense"][..], &["customer"], &["seed"], &["migrate", "sideways"], &["--nonsense"]] {
        let finished = binary.run(arguments);
        assert_eq!((finished.code, finished.out.as_str()), (Some(2), ""), "{finished:?}");
    }
}

#[test]
fn commands_that_look_make_no_database() {
    let looking: [&[&str]; 7] = [
        &["customer", "export"],
        &["customer", "export", "--out", "all.jsonl"],
        &["customer", "show", "5"],
        &["customer", "erase", "5"],
        &["migrate", "status"],
        &["migrate", "revert"],
        &["customer", "export", "--with-passwords"],
    ];
    for command in looking {
        let binary = Binary::bare();
        binary.run(command).refused(1, &["there is no database at data/clientele.db"]);
        assert_eq!(std::fs::read_dir(binary.folder()).expect("the folder").count(), 0, "{command:?}");
    }
    let adding: [&[&str]; 4] =
        [&["migrate", "run"], &JOHN, &["seed", "--customers", "1"], &["customer", "import", "/dev/null"]];
    for command in adding {
        let binary = Binary::bare();
        binary.run(command).done();
        assert!(binary.folder().join("data/clientele.db").exists(), "{command:?}");
    }
}

#[test]
fn commands_that_look_do_not_migrate() {
    let binary = Binary::bare().with("DATABASE_URL", "sqlite://somebody-elses.db");
    let path = binary.folder().join("somebody-elses.db");
    std::fs::write(&path, "").expect("an empty database");
    for command in [&["customer", "show", "1"][..], &["customer", "export"]] {
        binary.run(command).refused(1, &["pending", "migrate run"]);
    }
    binary.run(&JOHN).done();
    binary.run(&["customer", "export"]).done();
}
