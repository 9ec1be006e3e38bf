//! `clientele customer import` and `export` of CSV (issue: recovery, part 6).

use serde_json::{Value, json};

use crate::harness::{App, Backend, Binary, Database, Finished, PASSWORD, on_both_databases, registration};

const HEADER: &str = "email,first_name,last_name\n";

/// Imports a CSV file.
fn import(app: &App, options: &[&str], file: impl AsRef<[u8]>) -> Finished {
    let binary = Binary::on(app.database_url());
    std::fs::write(binary.folder().join("customers.csv"), file).expect("a file");
    let mut arguments = vec!["customer", "import", "customers.csv"];
    arguments.extend(options);
    binary.run(&arguments)
}

/// The lines that are exported.
fn exported(database_url: &str) -> Vec<Value> {
    let text = Binary::on(database_url).run(&["customer", "export"]).done().to_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The lines that are exported, in the order of emails.
fn exported_by_email(database_url: &str) -> Vec<Value> {
    let mut lines = exported(database_url);
    lines.sort_by_key(|line| line["email"].to_string());
    lines
}

fn exported_as_csv(database_url: &str) -> String {
    Binary::on(database_url).run(&["customer", "export", "--with-passwords", "--format", "csv"]).done().to_owned()
}

/// What the import says of each refused row.
fn refusals(finished: &Finished) -> Vec<&str> {
    finished.err.lines().filter(|line| line.starts_with("line ")).collect()
}

on_both_databases! {
    async fn a_file_of_another_shop_is_imported_and_the_fate_of_each_column_is_told(app: App) {
        let file = "\u{feff}Customer ID;First Name;last-name;EMAIL;Zip;Default Address1;City;Country;Note;Joined;updated_at\r\n\
            77;Ada;Lovelace;Ada@Example.com;02134;\"12 \"\"St James’s\"\"; Square\r\nBack\";London;gb;\"likes\r\nengines\";2019-03-01 12:30:00.5+02;\r\n\
            \r\n\
            ;Cher;;cher@example.com;;;;;;;2020-01-01\r\n";
        let options = ["--map", "customer id=id", "--map=ZIP=address.postal_code", "--map", "Default Address1=street_address",
            "--map", "joined=created_at", "--ignore-unknown"];
        let finished = import(&app, &options, file);
        assert_eq!(finished.done(), "2 rows: 2 added, 0 were there, 0 refused");
        let expected = r#"column "Customer ID" is read as id
column "First Name" is read as first_name
column "last-name" is read as last_name
column "EMAIL" is read as email
column "Zip" is read as address.postal_code
column "Default Address1" is read as address.street_address
column "City" is read as address.city
column "Country" is read as address.country
column "Note" is ignored: it is unknown
column "Joined" is read as created_at
column "updated_at" is ignored: the database does not store it
"#;
        assert_eq!(finished.err, expected);
        let lines = exported_by_email(app.database_url());
        let ada = json!({"id": 77, "email": "Ada@Example.com", "first_name": "Ada", "last_name": "Lovelace", "slug": "ada-lovelace",
            "date_of_birth": null, "address": {"street_address": "12 \"St James’s\"; Square Back", "postal_code": "02134",
            "city": "London", "state": null, "country": "United Kingdom"}, "created_at": "2019-03-01T10:30:00.500000Z",
            "email_verified": null, "disabled_at": null});
        assert_eq!(lines[0], ada);
        assert_eq!((&lines[1]["last_name"], &lines[1]["address"]), (&json!(""), &Value::Null));
    }

    async fn a_header_that_leaves_a_question_open_is_refused_before_anything_is_written(app: App) {
        let questions: [(&str, &[&str], &str); 9] = [
            ("email,first_name,last_name,notes", &[], "1 columns are unknown"),
            ("email,first_name,last_name,password", &[], "1 columns are unknown"),
            ("email,first_name,surname", &["--ignore-unknown"], "no column is last_name: use --map THEIRS=last_name"),
            ("email,first_name,last_name,E-Mail", &["--map", "e-mail=email"], r#"the columns "email", "E-Mail" are all email"#),
            ("email,email,first_name,last_name", &[], r#"the columns "email", "email" are all email"#),
            ("email,first_name,last_name,city,address.city", &[], r#"the columns "city", "address.city" are all address.city"#),
            ("email,first_name,last_name", &["--map", "zip=postal_code"], r#"there is no column "zip" to map"#),
            ("email,first_name,last_name,", &[], "1 columns are unknown"),
            ("a@example.com,A,Doe", &[], "the first line names no known column; it must be a header"),
        ];
        for (header, options, answer) in questions {
            let finished = import(&app, options, format!("{header}\na@example.com,A,Doe,,\n"));
            finished.refused(1, &[answer]);
            assert_eq!(finished.out, "", "{header}");
        }
        for empty in ["", "\u{feff}", "\n\r\n"] {
            import(&app, &[], empty).refused(1, &["the file is empty; its first line must name the columns"]);
        }
        assert!(!import(&app, &["--ignore-unknown"], "email,first_name,\u{1b}[2J\n").err.contains('\u{1b}'));
        assert!(import(&app, &[], b"email,first_name,last_name,\xe9\n").err.contains("the first line is not UTF-8"));
        for (mapping, answer) in [("zip=zip", "OURS is one of id, email"), ("zip", "THEIRS=OURS")] {
            let finished = import(&app, &["--map", mapping], HEADER);
            assert!(finished.code == Some(2) && finished.err.contains(answer), "{finished:?}");
        }
        assert_eq!(app.rows("customers"), 0);
        // One column may be ignored by name.
        let finished = import(&app, &["--map", "notes="], "email,first_name,last_name,notes\na@example.com,A,Doe,x\n");
        assert_eq!(finished.done(), "1 rows: 1 added, 0 were there, 0 refused");
        assert_eq!(import(&app, &[], HEADER).done(), "0 rows: 0 added, 0 were there, 0 refused");
    }

    async fn a_refused_row_is_told_with_line_and_column_and_the_others_are_added(app: App) {
        app.john();
        let mut file = b"id,E-Mail,first_name,last_name,date_of_birth,city,country,created_at,note\r\n".to_vec();
        let rows: [&[u8]; 17] = [
            b"\r\n\r\n",
            b",nonsense,A,Doe,,,,,\r\n",
            b",good1@example.com,A,Doe,,,,,\"two\r\nlines\"\r\n",
            b",few@example.com,A,Doe\r\n",
            b",many@example.com,A,Doe,,,,,,,\r\n",
            b",latin@example.com,Jos\xe9,Doe,,,,,\r\n",
            b",\"quoted@example.com\",\"A\nB\",Doe,,,,,\r\n",
            b",empty@example.com,,Doe,,,,,\r\n",
            b",day@example.com,A,Doe,31/12/1990,,,,\r\n",
            b",town@example.com,A,Doe,,Lima,,,\r\n",
            b"123,other@example.com,A,Doe,,,,,\r\n",
            b"x1,id@example.com,A,Doe,,,,,\r\n",
            b",John@example.com,Other,Person,,,,,\r\n",
            b",,,,,,,,\r\n",
            b",nul@example.com,A\0,Doe,,,,,\r\n",
            b",last@example.com,A,Doe,,,,2999-01-01T00:00:00Z,\r\n",
            b",good2@example.com,A,Doe,,,,,",
        ];
        file.extend(rows.concat());
        let options = ["--map", "e-mail=email", "--ignore-unknown"];
        let dry = import(&app, &[options.as_slice(), &["--dry-run"]].concat(), &file);
        let run = import(&app, &options, &file);
        assert_eq!(run.out, "16 rows: 3 added, 0 were there, 13 refused\n", "{run:?}");
        assert_eq!((run.code, dry.out), (Some(1), run.out.replace("added", "would be added")));
        let expected = [
            (4, r#"column "E-Mail": "#), (7, "4 fields instead of 9, up to line 7"), (8, "11 fields instead of 9, up to line 8"),
            (9, r#"column "first_name": This is not UTF-8."#), (10, r#"column "first_name": This has a line break"#), (12, r#"column "first_name": "#),
            (13, r#"column "date_of_birth": "#), (14, r#"column "country": This field is required."#),
            (15, r#"column "id": another customer has this id"#), (16, r#"column "id": An id is a positive integer"#),
            (17, r#"column "E-Mail": another customer has this email"#), (18, r#"column "E-Mail": "#),
            (19, r#"column "first_name": "#),
        ];
        for finished in [&run, &Finished { code: dry.code, out: String::new(), err: dry.err }] {
            let mut told = refusals(finished);
            told.sort_by_key(|line| line["line ".len()..].split(':').next().and_then(|number| number.parse::<u32>().ok()));
            assert_eq!(told.len(), expected.len(), "{told:#?}");
            for (said, (line, reason)) in told.iter().zip(expected) {
                assert!(said.starts_with(&format!("line {line}: ")) && said.contains(reason), "{line} {reason}: {said}");
            }
            assert!(told[7].contains("address.street_address: This field is required."), "{}", told[7]);
            for text in ["nonsense", "31/12/1990", "Other", "Jos"] {
                assert!(!finished.err.contains(text), "{text}: {finished:?}");
            }
        }
        assert!(run.err.contains("created_at was not kept in 1 rows, first in line 20: "), "{run:?}");
        assert_eq!(app.texts("SELECT email AS value FROM customers ORDER BY email"),
            ["good1@example.com", "good2@example.com", "john@example.com", "last@example.com"]);
    }

    async fn a_quotation_mark_that_is_not_closed_costs_little_memory_and_no_row_before_it(app: App) {
        let mut file = format!("{HEADER}a@example.com,A,Doe\nb@example.com,\"B,Doe\n");
        file.extend((0..200_000).map(|number| format!("c{number}@example.com,C,Doe\n")));
        let finished = import(&app, &[], file);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.err.ends_with("line 3: a row of more than 65536 bytes; perhaps a quotation mark is not closed\n"), "{finished:?}");
        assert_eq!(finished.out, "1 rows: 1 added, 0 were there, 0 refused\n");
        assert_eq!(app.texts("SELECT email AS value FROM customers"), ["a@example.com"]);
        // One that is closed by the next quotation mark makes one row of several, and the rows behind it are read.
        let file = format!("{HEADER}a@example.com,A,Doe\nb@example.com,\"B,Doe\nc@example.com,C,Doe\nd@example.com,\"D\",Doe\ne@example.com,E,Doe\n");
        let finished = import(&app, &[], file);
        assert_eq!(refusals(&finished), [r#"line 3: column "first_name": This has a line break; perhaps a quotation mark is not closed."#], "{finished:?}");
        assert_eq!(finished.out, "3 rows: 1 added, 1 were there, 1 refused\n");
    }

    async fn the_format_is_told_by_the_option_or_the_name_or_the_first_character(app: App) {
        let binary = Binary::on(app.database_url());
        let write = |name: &str, text: &str| std::fs::write(binary.folder().join(name), text).expect("a file");
        let json = |email: &str| json!({"email": email, "first_name": "A", "last_name": "Doe"}).to_string();
        write("a.CSV", &format!("{HEADER}a@example.com,A,Doe\n"));
        write("b.tsv", "email\tfirst_name\tlast_name\nb@example.com\tA\tDoe\n");
        write("c.jsonl", &json("c@example.com"));
        write("d", &format!("\u{feff} {}", json("d@example.com")));
        write("e", &format!("\u{feff}{HEADER}e@example.com,A,Doe"));
        write("f.jsonl", &format!("{HEADER}f@example.com,A,Doe"));
        for arguments in [&["a.CSV"][..], &["b.tsv"], &["c.jsonl"], &["d"], &["e"], &["f.jsonl", "--format", "csv"]] {
            let finished = binary.run(&[&["customer", "import"], arguments].concat());
            assert!(finished.done().ends_with(": 1 added, 0 were there, 0 refused"), "{arguments:?}: {finished:?}");
        }
        let piped = binary.run_with(&["customer", "import", "-"], &format!("{HEADER}g@example.com,A,Doe"));
        assert_eq!(piped.done(), "1 rows: 1 added, 0 were there, 0 refused");
        binary.run(&["customer", "import", "c.jsonl", "--map", "a=email"]).refused(2, &["--map and --ignore-unknown are for CSV"]);
        assert_eq!(binary.run(&["customer", "import", "f.jsonl"]).code, Some(1));
        assert_eq!(app.rows("customers"), 7);
    }

    async fn an_export_as_csv_read_by_the_other_database_gives_the_same_customers(app: App) {
        for (number, name) in ["=HYPERLINK(\"http://x\")", "@SUM(1;2)", "-1+1", "+Ann, \"B\" C", "Łódź; 木村"].into_iter().enumerate() {
            let mut body = registration(&format!("rosa{number}@example.com"));
            body["last_name"] = json!(name);
            body["date_of_birth"] = json!("1900-01-01");
            let code = [json!("02134"), json!(54321), json!("SW1A 1AA"), Value::Null, json!("")][number].clone();
            body["address"] = json!({"street_address": name, "postal_code": code, "city": "Łódź", "country": "pl"});
            app.register(&body).await.expect(201);
        }
        app.john();
        let sql = |statement: &str| app.execute(statement);
        sql("UPDATE customers SET email_verified_at = '2020-02-03 04:05:06.789012' WHERE email LIKE 'rosa1%'");
        sql("UPDATE customers SET disabled_at = '2021-02-03 04:05:06.7' WHERE email LIKE 'rosa2%'");
        let csv = exported_as_csv(app.database_url());
        let header = "id,email,first_name,last_name,slug,date_of_birth,address.street_address,address.postal_code,address.city,\
            address.state,address.country,created_at,email_verified,disabled_at,password_hash";
        assert_eq!(csv.lines().next(), Some(header));
        assert_eq!(csv.lines().count(), 7);
        for kept in [",02134,", ",2020-02-03T04:05:06.789012Z,,", ",,2021-02-03T04:05:06.700000Z,", "\"=HYPERLINK(\"\"http://x\"\")\"", "$argon2id$"] {
            assert!(csv.contains(kept), "{kept} in {csv}");
        }
        let other = Database::migrated(match app.backend() {
            Backend::Sqlite => Backend::Postgres,
            Backend::Postgres => Backend::Sqlite,
        });
        let finished = Binary::on(&other.url).run_with(&["customer", "import", "-"], &csv);
        assert_eq!(finished.done(), "6 rows: 6 added, 0 were there, 0 refused");
        assert_eq!(exported_as_csv(&other.url), csv);
        assert_eq!(exported(&other.url), exported(app.database_url()));
        let serving = Binary::on(&other.url).serve();
        app.at(serving.address).sign_in("rosa1@example.com", PASSWORD).await.expect(200);
        app.at(serving.address).sign_in("rosa2@example.com", PASSWORD).await.problem(403, "account_disabled");
        // Without hashes, there is no column for them; the name of the file tells the format.
        let binary = Binary::on(app.database_url());
        binary.run(&["customer", "export", "--out", "all.csv"]).done();
        let file = std::fs::read_to_string(binary.folder().join("all.csv")).expect("the export");
        assert!(file.starts_with(header.trim_end_matches(",password_hash")) && !file.contains("argon2id"), "{file}");
        assert_eq!(binary.run(&["customer", "export", "--format", "csv", "--customer", "123"]).code, Some(2));
    }

    async fn an_export_as_tsv_is_separated_by_tabs_and_can_be_imported(app: App) {
        app.customer(201, "ada@example.com", "Ada, \"B\"", "Love,lace");
        let binary = Binary::on(app.database_url());
        binary.run(&["customer", "export", "--out", "all.tsv"]).done();
        let file = std::fs::read_to_string(binary.folder().join("all.tsv")).expect("the export");
        assert!(file.starts_with("id\temail\tfirst_name\t"), "{file}");
        assert!(file.contains("201\tada@example.com\t\"Ada, \"\"B\"\"\"\tLove,lace\t"), "{file}");
        assert_eq!(binary.run(&["customer", "export", "--format", "tsv"]).out, file);
        let exported_before = exported(app.database_url());
        binary.run(&["customer", "erase", "201"]).done();
        assert_eq!(binary.run(&["customer", "import", "all.tsv"]).done(), "1 rows: 1 added, 0 were there, 0 refused");
        assert_eq!(exported(app.database_url()), exported_before);
    }

    async fn what_is_verified_or_disabled_elsewhere_is_so_here(app: App) {
        let file = "email,first_name,last_name,email_verified,disabled_at\n\
            a@example.com,A,Doe,true,False\n\
            b@example.com,B,Doe,2019-03-01T12:30:00Z,2019-04-01 12:30:00+00\n\
            c@example.com,C,Doe,f,\n\
            d@example.com,D,Doe,,yes\n\
            e@example.com,E,Doe,perhaps,\n\
            f@example.com,F,Doe,,2999-01-01T00:00:00Z\n";
        let finished = import(&app, &[], file);
        assert_eq!(finished.out, "6 rows: 4 added, 0 were there, 2 refused\n");
        let reason = "Use true, false, or a time in the past, such as 2026-01-31T12:00:00Z.";
        assert_eq!(refusals(&finished), [format!("line 6: column \"email_verified\": {reason}"), format!("line 7: column \"disabled_at\": {reason}")]);
        let lines = exported_by_email(app.database_url());
        let state = |line: &Value| (line["email_verified"].clone(), line["disabled_at"].clone());
        assert_eq!(state(&lines[1]), (json!("2019-03-01T12:30:00.000000Z"), json!("2019-04-01T12:30:00.000000Z")));
        assert_eq!(state(&lines[2]), (Value::Null, Value::Null));
        let now = |value: &Value| value.as_str().is_some_and(|text| text > "2026");
        assert!(now(&lines[0]["email_verified"]) && lines[0]["disabled_at"].is_null(), "{}", lines[0]);
        assert!(now(&lines[3]["disabled_at"]) && lines[3]["email_verified"].is_null(), "{}", lines[3]);
        // The same in JSON Lines, where a flag may be one of JSON.
        let line = |email: &str, verified: Value| json!({"email": email, "first_name": "G", "last_name": "Doe", "email_verified": verified});
        let input = format!("{}\n{}\n{}\n", line("g@example.com", json!(true)), line("h@example.com", json!(false)), line("i@example.com", json!(1)));
        let finished = Binary::on(app.database_url()).run_with(&["customer", "import", "-"], &input);
        assert_eq!(finished.out, "3 lines: 2 added, 0 were there, 1 refused\n");
        assert_eq!(refusals(&finished).len(), 1);
        assert!(now(&exported_by_email(app.database_url())[4]["email_verified"]));
    }
}

/// Runs a command on a terminal, in the binary's folder and without any configuration.
fn on_terminal(binary: &Binary, arguments: &str) -> String {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_clientele"));
    let run = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_clear()
        .envs([("PATH", std::env::var_os("PATH").unwrap_or_default()), ("TERM", "xterm".into())])
        .current_dir(binary.folder())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script of util-linux");
    assert!(run.status.success(), "{run:?}");
    String::from_utf8_lossy(&run.stdout).into_owned()
}

#[test]
fn progress_is_shown_on_a_terminal_alone() {
    let binary = Binary::bare();
    let rows = (0..3_000).map(|number| format!("c{number}@example.com,C,Doe\n"));
    let file: String = std::iter::once(HEADER.to_owned()).chain(rows).collect();
    std::fs::write(binary.folder().join("all.csv"), file).expect("a file");
    let shown = on_terminal(&binary, "customer import all.csv");
    assert!(shown.contains("rows read, 0 refused") && shown.contains('%'), "{shown:?}");
    assert!(shown.contains("3000 rows: 3000 added"), "{shown:?}");
    let piped = binary.run(&["customer", "import", "all.csv"]);
    assert_eq!(piped.done(), "3000 rows: 0 added, 3000 were there, 0 refused");
    assert_eq!(piped.err.lines().count(), 3, "{piped:?}");
}
