//! `clientele customer import` and `export`: JSON Lines in and out (issue: accounts, part 8).

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::harness::{App, Backend, Binary, Database, Finished, PASSWORD, on_both_databases, registration};

/// "lètmein", as Django writes it.
const DJANGO: &str = "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=";
const TODAY: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

fn named(email: &str, first_name: &str) -> Value {
    json!({"email": email, "first_name": first_name, "last_name": "Doe"})
}

fn import(app: &App, input: &str) -> Finished {
    Binary::on(app.database_url()).run_with(&["customer", "import", "-"], input)
}

fn export(database_url: &str) -> String {
    Binary::on(database_url).run(&["customer", "export", "--with-passwords"]).done().to_owned()
}

/// What the import says of each refused line.
fn refusals(finished: &Finished) -> Vec<&str> {
    finished.err.lines().filter(|line| line.starts_with("line ")).collect()
}

on_both_databases! {
    async fn a_dry_run_checks_every_line_and_adds_nothing(app: App) {
        let input = lines(&[named("a@example.com", "A"), named("nonsense", "B"), named("c@example.com", "C")]);
        let finished = Binary::on(app.database_url()).run_with(&["customer", "import", "--dry-run", "-"], &input);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert_eq!(finished.out, "3 lines: 2 would be added, 0 were there, 1 refused\n");
        assert_eq!(refusals(&finished).len(), 1, "{finished:?}");
        assert_eq!(app.rows("customers"), 0);
    }

    async fn refused_lines_are_reported_with_number_and_reason_and_the_others_added(app: App) {
        app.john();
        let input = [
            named("a@example.com", "A").to_string(),
            "not json".into(),
            String::new(),
            named("nonsense", "B").to_string(),
            json!({"email": "c@example.com", "first_name": "C"}).to_string(),
            json!({"email": "d@example.com", "first_name": "D", "last_name": "Doe", "nickname": "Dee"}).to_string(),
            json!({"id": 123, "email": "other@example.com", "first_name": "E", "last_name": "Doe"}).to_string(),
            json!({"id": 9, "email": "JOHN@example.com", "first_name": "F", "last_name": "Doe"}).to_string(),
            json!({"id": 0, "email": "g@example.com", "first_name": "G", "last_name": "Doe"}).to_string(),
            json!({"email": "h@example.com", "first_name": "H", "last_name": "Doe", "password_hash": "plain"}).to_string(),
            json!({"email": "i@example.com", "first_name": "I", "last_name": "Doe", "address": {"city": "Lima"}}).to_string(),
            "x".repeat(70_000),
            r#"{"email":"j@example.com","email":"k@example.com","first_name":"J","last_name":"Doe"}"#.into(),
            "\u{feff}{}".into(),
            named("z@example.com", "Z").to_string(),
        ].join("\n");
        let finished = import(&app, &input);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let expected = [
            ("line 2: ", "not JSON"), ("line 4: ", "#/email: "), ("line 5: ", "#/last_name: "), ("line 6: ", "#/nickname: "),
            ("line 7: ", "#/id: "), ("line 8: ", "#/email: "), ("line 9: ", "#/id: "), ("line 10: ", "#/password_hash: "),
            ("line 11: ", "#/address/street_address: "), ("line 12: ", "longer than"), ("line 13: ", "Duplicate member"),
            ("line 14: ", "not JSON"),
        ];
        let told = refusals(&finished);
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (start, reason) in expected {
            let line = told.iter().find(|line| line.starts_with(start));
            assert!(line.is_some_and(|line| line.contains(reason)), "{start}{reason}: {told:?}");
        }
        assert_eq!(finished.out, "15 lines: 2 added, 0 were there, 12 refused\n");
        assert!(finished.err.ends_with("clientele: 12 lines were refused\n"), "{finished:?}");
        assert_eq!(app.texts("SELECT email AS value FROM customers ORDER BY email"),
            ["a@example.com", "john@example.com", "z@example.com"]);
    }

    async fn the_sums_are_told_even_if_the_database_fails_in_the_middle(app: App) {
        app.execute("CREATE UNIQUE INDEX one_address_a_city ON addresses (city)");
        let in_lima = |number: u32| {
            let mut line = named(&format!("c{number}@example.com"), "C");
            line["address"] = json!({"street_address": "1 Road", "city": "Lima", "country": "Peru"});
            line
        };
        let first = (0..1_000).map(|number| named(&format!("c{number}@example.com"), "C"));
        let finished = import(&app, &lines(&first.chain((1_000..1_500).map(in_lima)).collect::<Vec<_>>()));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert_eq!(finished.out, "1500 lines: 1000 added, 0 were there, 0 refused\n");
        assert!(finished.err.contains("clientele: ") && !finished.err.contains("were refused"), "{finished:?}");
        assert_eq!(app.rows("customers"), 1_000);
    }

    async fn what_a_refusal_says_is_not_what_the_line_said(app: App) {
        let personal = json!({"email": "xenophon@mail.example", "first_name": "", "last_name": "Quillfeather", "phone": "5550123"});
        let finished = import(&app, &lines(&[personal]));
        for text in ["xenophon", "Quillfeather", "5550123"] {
            assert!(!finished.err.contains(text), "{text}: {finished:?}");
        }
    }

    async fn a_line_whose_email_another_person_has_is_refused(app: App) {
        app.john();
        let lines_of = [
            named("JOHN@example.com", "Joan"),
            json!({"email": "john@example.com", "first_name": "John", "last_name": "Roe"}),
            named("john@example.com", "John"),
            named("new@example.com", "New"),
            named("new@example.com", "Other"),
        ];
        let dry = Binary::on(app.database_url()).run_with(&["customer", "import", "--dry-run", "-"], &lines(&lines_of));
        let run = import(&app, &lines(&lines_of));
        assert_eq!(run.out, "5 lines: 1 added, 1 were there, 3 refused\n", "{run:?}");
        assert_eq!(run.code, Some(1));
        assert_eq!(dry.out, run.out.replace("added", "would be added"));
        for finished in [dry, run] {
            let expected = [1, 2, 5].map(|number| format!("line {number}: #/email: another customer has this email"));
            assert_eq!(refusals(&finished), expected);
        }
    }

    async fn what_is_imported_keeps_when_it_began_and_what_is_not_kept_is_said(app: App) {
        let with = |email: &str, member: &str, value: Value| {
            let mut line = named(email, "Ada");
            line[member] = value;
            line
        };
        let lines_of = [
            with("a@example.com", "created_at", json!("2019-03-01T12:30:00.123456+02:00")),
            with("b@example.com", "created_at", json!("2999-01-01T00:00:00Z")),
            with("c@example.com", "created_at", json!("yesterday")),
            with("d@example.com", "created_at", Value::Null),
            with("d2@example.com", "updated_at", json!("")),
            with("d3@example.com", "password_hash", json!("")),
            with("d4@example.com", "slug", json!("")),
            with("e@example.com", "slug", json!("somebody-else")),
            with("f@example.com", "slug", json!("ada-doe")),
            with("g@example.com", "slug", json!("ada-doe-23456")),
            with("h@example.com", "updated_at", json!("2020-01-01T00:00:00Z")),
        ];
        let finished = import(&app, &lines(&lines_of));
        assert_eq!(finished.done(), "11 lines: 11 added, 0 were there, 0 refused");
        let said: Vec<&str> = finished.err.lines().collect();
        assert_eq!(said.len(), 3, "{said:?}");
        for (line, start) in said.iter().zip([
            "created_at was not kept in 2 lines, first in line 2: ",
            "slug was not kept in 2 lines, first in line 8: ",
            "updated_at was not kept in 1 lines, first in line 11: ",
        ]) {
            assert!(line.starts_with(start), "{line}");
        }
        let exported = export(app.database_url());
        let line_of = |email: &str| exported.lines().find(|line| line.contains(email)).expect("a line").to_owned();
        assert!(line_of("a@example.com").contains(r#""created_at":"2019-03-01T10:30:00.123456Z""#), "{exported}");
        assert!(line_of("g@example.com").contains(r#""slug":"ada-doe-23456""#), "{exported}");
        assert_eq!(exported.matches("2999").count(), 0);
    }

    async fn a_byte_order_mark_before_the_first_line_is_no_part_of_it(app: App) {
        let input = format!("\u{feff}{}", lines(&[named("a@example.com", "A"), named("b@example.com", "B")]).replace('\n', "\r\n"));
        assert_eq!(import(&app, &input).done(), "2 lines: 2 added, 0 were there, 0 refused");
    }

    async fn an_export_replaces_a_file_that_others_could_read_when_all_is_written(app: App) {
        app.john();
        let binary = Binary::on(app.database_url());
        let path = binary.folder().join("all.jsonl");
        std::fs::write(&path, "old").expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        binary.run(&["customer", "export", "--out", "all.jsonl"]).done();
        assert_eq!(std::fs::metadata(&path).expect("the export").permissions().mode() & 0o777, 0o600);
        let exported = std::fs::read_to_string(&path).expect("the export");
        assert_eq!(exported, binary.run(&["customer", "export", "--out", "/dev/stdout"]).out);
        assert_eq!(std::fs::read_dir(binary.folder()).expect("the folder").count(), 1);
        // A failure leaves what was there.
        app.execute("ALTER TABLE passwords RENAME TO lost");
        let failed = binary.run(&["customer", "export", "--with-passwords", "--out", "all.jsonl"]);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert_eq!(std::fs::read_to_string(&path).expect("the export"), exported);
        assert_eq!(std::fs::read_dir(binary.folder()).expect("the folder").count(), 1);
        binary.run(&["customer", "export", "--out", "no/such/folder"]).refused(1, &["no/such/folder"]);
    }

    async fn a_second_run_finds_everybody_there_and_changes_nothing(app: App) {
        let mut with_id = named("b@example.com", "Bea");
        with_id["id"] = json!(77);
        with_id["password_hash"] = json!(DJANGO);
        let input = lines(&[named("a@example.com", "Al"), with_id, named("c@example.com", "Al")]);
        assert_eq!(import(&app, &input).done(), "3 lines: 3 added, 0 were there, 0 refused");
        let before = export(app.database_url());
        assert_eq!(import(&app, &input).done(), "3 lines: 0 added, 3 were there, 0 refused");
        assert_eq!(export(app.database_url()), before);
        // One more line, as after an interruption.
        let longer = format!("{input}{}\n", named("d@example.com", "Di"));
        assert_eq!(import(&app, &longer).done(), "4 lines: 1 added, 3 were there, 0 refused");
        // Whoever changed in between keeps the change.
        app.execute("UPDATE customers SET first_name = 'Changed' WHERE id = 77");
        import(&app, &longer).done();
        assert_eq!(app.texts("SELECT first_name AS value FROM customers WHERE id = 77"), ["Changed"]);
    }

    async fn a_line_whose_customer_another_process_adds_meanwhile_is_decided_anew(app: App) {
        let mut importing = Binary::on(app.database_url()).start(&["customer", "import", "--format", "jsonl", "-"]);
        // Until it has connected and waits for its input.
        actix_rt::time::sleep(Duration::from_millis(1_500)).await;
        let mut blocker = app.connection();
        let insert = |id: u32, email: &str, slug: &str| format!("INSERT INTO customers (id, email, email_canonical, first_name, last_name,
            first_name_slug, last_name_slug, slug, version, created_at, updated_at)
            VALUES ({id}, '{email}', '{email}', 'Ada', 'Doe', 'ada', 'doe', '{slug}', 1, '2020-01-01 00:00:00', '2020-01-01 00:00:00')");
        let begin = match app.backend() {
            Backend::Sqlite => "BEGIN IMMEDIATE",
            Backend::Postgres => "BEGIN",
        };
        let statements = [begin.to_owned(), insert(1, "same@example.com", "ada-doe"), insert(2, "other@example.com", "ada-doe-2"),
            insert(3, "third@example.com", "ada-doe-3")];
        blocker.batch_execute(&statements.join(";")).expect("customers that nobody sees yet");
        let numbered = |id: u32, email: &str| json!({"id": id, "email": email, "first_name": "Ada", "last_name": "Doe"});
        let input = lines(&[named("same@example.com", "Ada"), named("other@example.com", "Eve"), numbered(3, "new@example.com"),
            named("slug@example.com", "Ada")]);
        assert!(importing.try_wait().expect("its state").is_none());
        let mut stdin = importing.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("the import reads");
        drop(stdin);
        // Until it has read the database and waits.
        actix_rt::time::sleep(Duration::from_millis(1_500)).await;
        assert!(importing.try_wait().expect("its state").is_none());
        blocker.batch_execute("COMMIT").expect("a commit");
        let finished = Finished::from(importing.wait_with_output().expect("its end"));
        assert_eq!(finished.out, "4 lines: 1 added, 1 were there, 2 refused\n", "{finished:?}");
        assert_eq!(refusals(&finished), ["line 2: #/email: another customer has this email", "line 3: #/id: another customer has this id"]);
        assert!(!finished.err.contains("slug was not kept"), "{finished:?}");
        assert_eq!(app.rows("customers"), 4);
    }

    async fn a_line_that_repeats_another_of_the_same_file_is_told(app: App) {
        let numbered = |id: u32, email: &str| json!({"id": id, "email": email, "first_name": "A", "last_name": "Doe"});
        let input = lines(&[
            numbered(1, "a@example.com"), numbered(1, "a@example.com"), numbered(1, "b@example.com"),
            numbered(2, "A@example.com"), named("a@example.com", "A"),
        ]);
        let finished = import(&app, &input);
        assert_eq!(finished.out, "5 lines: 1 added, 2 were there, 2 refused\n");
        assert_eq!(refusals(&finished).len(), 2, "{finished:?}");
        assert_eq!(app.rows("customers"), 1);
    }

    async fn a_dry_run_foretells_what_the_run_says_of_a_long_file(app: App) {
        let person = |id: usize, email: usize| json!({"id": id, "email": format!("p{email}@example.com"), "first_name": "P", "last_name": format!("Number {id}")});
        let mut values: Vec<Value> = (1..=1_500).map(|number| person(number, number)).collect();
        // The same email and the same id again, more than a chunk later.
        values.extend([person(9_999, 1), person(2, 9_999)]);
        let dry = Binary::on(app.database_url()).run_with(&["customer", "import", "--dry-run", "-"], &lines(&values));
        let run = import(&app, &lines(&values));
        assert_eq!(run.out, "1502 lines: 1500 added, 0 were there, 2 refused\n", "{}", run.err);
        assert_eq!(dry.out, run.out.replace("added", "would be added"));
    }

    async fn imported_hashes_are_kept_and_sign_in_and_are_renewed(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let argon = app.texts("SELECT hash AS value FROM passwords").pop().expect("a hash");
        app.execute("DELETE FROM customers");
        let with_hash = |email: &str, hash: &str| {
            let mut value = named(email, "Imported");
            value["password_hash"] = json!(hash);
            value
        };
        let input = lines(&[with_hash("argon@example.com", &argon), with_hash("django@example.com", DJANGO), named("none@example.com", "None")]);
        import(&app, &input).done();
        let mut stored = app.texts("SELECT hash AS value FROM passwords");
        stored.sort();
        assert_eq!(stored, [argon.clone(), DJANGO.to_owned()]);
        app.sign_in("argon@example.com", PASSWORD).await.expect(200);
        app.sign_in("django@example.com", PASSWORD).await.problem(401, "bad_credentials");
        app.sign_in("django@example.com", "lètmein").await.expect(200);
        app.sign_in("none@example.com", "").await.problem(401, "bad_credentials");
        let renewed = app.texts("SELECT hash AS value FROM passwords");
        assert!(renewed.contains(&argon) && renewed.iter().all(|hash| hash.starts_with(TODAY)), "{renewed:?}");
    }

    async fn a_hash_is_imported_only_if_its_check_is_known_and_bounded(app: App) {
        let with_hash = |number: usize, hash: &str| {
            let mut value = named(&format!("p{number}@example.com"), "P");
            value["password_hash"] = json!(hash);
            value
        };
        let scrypt = format!("$scrypt$ln=18,r=8,p=1$c2FsdHNhbHQ${}", "A".repeat(43));
        let hashes = [
            "$2b$05$aeS.4uS5rG.DPjf3ZFPCW.KAbd/06SX.9xArdIF3X9PDCjHqwHCN.", "$2b$16$aeS.4uS5rG.DPjf3ZFPCW.KAbd/06SX.9xArdIF3X9PDCjHqwHCN.",
            &scrypt, "pbkdf2_sha256$5000001$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$2b$05$aeS.4uS5rG.DPjf3ZFPCW.KAbd/06SX.9xArdIF3X9PDCjHqwHCN", "5f4dcc3b5aa765d61d8327deb882cf99",
            // A Django user who has no password.
            "!Xo8qtxVsKQZ6sPTyQ2pJcyvT1kDDUJ3bGVFGZCyE",
        ];
        let values: Vec<Value> = hashes.iter().enumerate().map(|(number, hash)| with_hash(number, hash)).collect();
        let finished = import(&app, &lines(&values));
        assert_eq!(finished.out, "8 lines: 2 added, 0 were there, 6 refused\n", "{finished:?}");
        let expensive = "#/password_hash: This hash takes too much time or memory to check.";
        let expected = [expensive, expensive, expensive, expensive, "#/password_hash: This hash is incomplete or damaged.",
            "#/password_hash: Use a hash of Argon2, bcrypt or scrypt, or of Django's PBKDF2."];
        let expected: Vec<String> = expected.iter().zip(2..).map(|(reason, line)| format!("line {line}: {reason}")).collect();
        assert_eq!(refusals(&finished), expected);
        assert_eq!(app.texts("SELECT hash AS value FROM passwords"), [hashes[0]]);
    }

    async fn an_export_read_by_the_other_database_gives_the_same_customers(app: App) {
        for (email, code) in [("rosa@example.com", json!("02134")), ("ROSA2@example.com", json!(54321)), ("x@example.com", json!("SW1A 1AA"))] {
            let mut body = registration(email);
            body["address"] = json!({"street_address": "1 Ünter “den” Linden\\", "postal_code": code, "city": "Łódź", "country": "pl"});
            body["date_of_birth"] = json!("1900-01-01");
            app.register(&body).await.expect(201);
        }
        let mut plain = registration("plain@example.com");
        plain["last_name"] = json!("");
        app.register(&plain).await.expect(201);
        app.john();
        app.execute("UPDATE customers SET email_verified_at = '2020-02-03 04:05:06.789012' WHERE email LIKE 'ROSA2%'");
        app.execute("UPDATE customers SET disabled_at = '2021-02-03 04:05:06.7' WHERE email LIKE 'x@%'");
        let exported = export(app.database_url());
        assert_eq!(exported.lines().count(), 5);
        for kept in [r#""postal_code":"02134""#, r#""postal_code":54321"#, r#""postal_code":"SW1A 1AA""#, r#""slug":"rosa-delgado-"#, TODAY,
            r#""email_verified":"2020-02-03T04:05:06.789012Z","disabled_at":null"#, r#""email_verified":null,"disabled_at":"2021-02-03T04:05:06.700000Z""#] {
            assert!(exported.contains(kept), "{kept} in {exported}");
        }
        let other = Database::migrated(match app.backend() {
            Backend::Sqlite => Backend::Postgres,
            Backend::Postgres => Backend::Sqlite,
        });
        let finished = Binary::on(&other.url).run_with(&["customer", "import", "-"], &exported);
        assert_eq!(finished.done(), "5 lines: 5 added, 0 were there, 0 refused");
        assert_eq!(export(&other.url), exported);
        // Who had a password there has it here.
        let serving = Binary::on(&other.url).serve();
        app.at(serving.address).sign_in("rosa@example.com", PASSWORD).await.expect(200);
    }

    async fn an_export_is_for_its_owner_alone_and_holds_hashes_only_when_asked(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let binary = Binary::on(app.database_url());
        binary.run(&["customer", "export", "--out", "all.jsonl"]).done();
        let path = binary.folder().join("all.jsonl");
        let text = std::fs::read_to_string(&path).expect("the export");
        assert_eq!(std::fs::metadata(&path).expect("the export").permissions().mode() & 0o777, 0o600);
        let value: Value = serde_json::from_str(&text).expect("one line");
        assert_eq!((&value["email"], &value["slug"]), (&json!("rosa@example.com"), &json!("rosa-delgado")));
        assert!(value["id"].is_i64() && value.get("password_hash").is_none(), "{text}");
        assert_eq!(binary.run(&["customer", "export"]).out, text);
        binary.run(&["customer", "import", "missing.jsonl"]).refused(1, &["missing.jsonl"]);
    }
}
