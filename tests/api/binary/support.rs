//! What support does on the command line: find a customer, look, change, help.

use serde_json::{Value, json};

use crate::harness::{App, Binary, Finished, PASSWORD, on_both_databases};

const NEW: &str = "another fine Passw0rd!";

fn run(app: &App, arguments: &[&str]) -> Finished {
    Binary::on(app.database_url()).run(&[&["customer"], arguments].concat())
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(finished.done()).expect("JSON")
}

/// The ids that a search finds, and what it says of a next page.
fn found(app: &App, arguments: &[&str]) -> (Vec<i64>, Value) {
    let found = json_of(&run(app, &[&["find", "--json"], arguments].concat()));
    let ids = found["customers"].as_array().expect("a list").iter().map(|row| row["id"].as_i64().expect("an id"));
    (ids.collect(), found["next"].clone())
}

/// Kind and actor of what happened, the oldest first.
fn history(app: &App, who: &str) -> Vec<(String, Option<String>)> {
    let entries = json_of(&run(app, &["history", who, "--json"]));
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let entry = |entry: &Value| (text(&entry["kind"]).expect("a kind"), text(&entry["actor"]));
    entries.as_array().expect("a list").iter().rev().map(entry).collect()
}

fn by(kinds: &[&str], actor: &str) -> Vec<(String, Option<String>)> {
    kinds.iter().map(|kind| ((*kind).to_owned(), Some(actor.to_owned()))).collect()
}

on_both_databases! {
    async fn a_customer_is_found_by_any_part_of_email_name_or_slug(app: App) {
        for (id, email, first, last) in [
            (1, "Ada.Lovelace@example.com", "Ada", "Lovelace"),
            (2, "jose@mañana.example", "José", "Núñez"),
            (3, "o_ne@example.org", "100%", "Sure"),
            (4, "oXne@example.org", "Back\\slash", ""),
            (5, "li@example.com", "李", "小龍"),
        ] {
            app.customer(id, email, first, last);
        }
        for (text, expected) in [
            ("LOVELACE", &[1][..]), ("ada.l", &[1]), ("Ada Love", &[1]), ("da lo", &[1]), ("ada-love", &[1]),
            ("José", &[2]), ("jose", &[2]), ("NUNEZ", &[2]), ("núñez", &[2]), ("xn--", &[2]), ("MAÑANA", &[2]), ("se Nú", &[2]),
            ("o_ne@", &[3]), ("100%", &[3]), ("%", &[3]), ("_", &[3]), ("\\", &[4]), ("k\\s", &[4]),
            ("李", &[5]), ("小", &[5]), ("example", &[1, 2, 3, 4, 5]), (".org", &[3, 4]), ("nobody", &[]), ("' OR 1=1 --", &[]),
        ] {
            assert_eq!(found(&app, &[text]), (expected.to_vec(), Value::Null), "{text}");
        }
    }

    async fn what_is_found_comes_page_by_page(app: App) {
        app.crowd(25);
        let (mut all, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let (ids, next) = found(&app, &["Number", "--limit", "10", "--after", &after]);
            all.extend(ids);
            match next.as_i64() {
                Some(next) => after = next.to_string(),
                None => break,
            }
        }
        assert_eq!(all, (1_000..1_025).collect::<Vec<_>>());
        assert_eq!(found(&app, &["Number", "--limit", "25"]).1, Value::Null);
        assert_eq!(found(&app, &["Number", "--limit", "24"]).1, 1_023);
    }

    async fn what_is_found_is_a_table_for_people_and_json_for_programs(app: App) {
        app.john();
        app.jane();
        run(&app, &["disable", "124"]).done();
        let table = run(&app, &["find", "doe"]);
        let lines: Vec<&str> = table.done().lines().collect();
        assert_eq!(lines.len(), 2, "{table:?}");
        assert!(lines[0].starts_with("ID   EMAIL             NAME      SLUG      SINCE"), "{table:?}");
        assert!(lines[1].starts_with("123  john@example.com  John Doe  john-doe  20"), "{table:?}");
        let all = run(&app, &["find", "example", "--limit", "1"]);
        assert_eq!(all.done().lines().last(), Some("There are more: --after 123"));
        assert!(run(&app, &["find", "jane"]).done().contains("disabled 20"));
        let jane = json_of(&run(&app, &["find", "jane", "--json"]));
        let names: Vec<&String> = jane["customers"][0].as_object().expect("an object").keys().collect();
        assert_eq!(names, ["created_at", "disabled_at", "email", "first_name", "id", "last_name", "slug"]);
        assert!(run(&app, &["find", "nobody"]).done().starts_with("ID"));
    }

    async fn every_command_takes_an_id_or_an_email(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let shown = json_of(&run(&app, &["show", &rosa.id.to_string()]));
        assert_eq!(json_of(&run(&app, &["show", "ROSA@Example.com"])), shown);
        assert_eq!(shown, app.profile(&rosa).await.json());
        for command in ["show", "disable", "enable", "end-sessions", "history", "erase"] {
            run(&app, &[command, "nobody@example.com"]).refused(1, &["no customer has this email"]);
            run(&app, &[command, "4711"]).refused(1, &["there is no customer 4711"]);
            for who in ["0", "rosa", "rosa@", "me", ""] {
                let refused = run(&app, &[command, who]);
                assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{command} {who}: {refused:?}");
            }
        }
        run(&app, &["update", "4711", "--first-name", "X"]).refused(1, &["4711"]);
        run(&app, &["export", "--customer", "4711"]).refused(1, &["4711"]);
        run(&app, &["erase", "rosa@example.com"]).done();
        assert_eq!(app.rows("customers"), 0);
    }

    async fn an_update_obeys_the_rules_of_the_api_and_raises_the_version(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let jane = app.member("jane@example.com").await;
        let update = |arguments: &[&str]| run(&app, &[&["update", "rosa@example.com", "--by", "Ann"], arguments].concat());
        let shown = json_of(&update(&["--first-name", "  Rosalind ", "--last-name", "Núñez", "--date-of-birth", "1990-01-15"]));
        assert_eq!(shown, app.profile(&rosa).await.json());
        assert_eq!((&shown["first_name"], &shown["slug"]), (&json!("Rosalind"), &json!("rosalind-nunez")));
        assert_eq!(app.profile(&rosa).await.header("etag"), Some("\"2\""));
        assert!(json_of(&update(&["--date-of-birth", ""]))["date_of_birth"].is_null());
        update(&["--email", "Jane@example.com"]).refused(1, &["another customer has this email"]);
        for arguments in [
            &[][..], &["--email", "nobody"], &["--first-name", ""], &["--date-of-birth", "2023-02-29"], &["--by", "Bob"],
            &["--first-name", "\u{202e}"],
        ] {
            let refused = update(arguments);
            assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{arguments:?}: {refused:?}");
        }
        assert_eq!(app.profile(&rosa).await.header("etag"), Some("\"3\""));
        update(&["--email", "Other@example.com"]).done();
        // Still signed in, and found by the new email alone.
        assert_eq!(app.profile(&rosa).await.expect(200).json()["email"], "Other@example.com");
        run(&app, &["show", "rosa@example.com"]).refused(1, &["email"]);
        let expected = [by(&["operator", "operator"], "Ann"), by(&["email_change", "operator"], "Ann")].concat();
        assert_eq!(history(&app, "other@example.com")[2..], expected);
        assert_eq!(app.profile(&jane).await.header("etag"), Some("\"1\""));
    }

    async fn support_can_change_a_disabled_account_too(app: App) {
        let rosa = app.member("rosa@example.com").await;
        run(&app, &["disable", "rosa@example.com"]).done();
        run(&app, &["update", "rosa@example.com", "--email", "new@example.com"]).done();
        assert_eq!(json_of(&run(&app, &["show", "new@example.com"]))["email"], "new@example.com");
        run(&app, &["enable", "new@example.com"]).done();
        app.sign_in("new@example.com", PASSWORD).await.expect(200);
        app.profile(&rosa).await.problem(401, "session_ended");
    }

    async fn a_password_that_support_sets_is_judged_and_ends_all_sessions(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let john = app.john();
        let set = |who: &str, password: &str| {
            let command = ["customer", "set-password", who, "--password-stdin", "--by", "Ann"];
            Binary::on(app.database_url()).run_with(&command, password)
        };
        set("rosa@example.com", "short\n").refused(2, &["8"]);
        set("rosa@example.com", "rosa@example.com\n").refused(2, &[""]);
        app.profile(&rosa).await.expect(200);
        assert_eq!(set("rosa@example.com", &format!("{NEW}\r\n")).done(), "1 session ended");
        app.profile(&rosa).await.problem(401, "session_ended");
        app.refresh(&rosa.refresh).await.problem(401, "session_ended");
        app.sign_in("rosa@example.com", PASSWORD).await.problem(401, "bad_credentials");
        app.sign_in("rosa@example.com", NEW).await.expect(200);
        // One who had none can sign in now.
        assert_eq!(set("123", NEW).done(), "0 sessions ended");
        app.sign_in("john@example.com", NEW).await.expect(200);
        assert_eq!(history(&app, "123")[..2], by(&["password_change", "operator"], "Ann"));
        set("4711", NEW).refused(1, &["4711"]);
        let usage = run(&app, &["set-password", "123"]);
        assert_eq!(usage.code, Some(2), "{usage:?}");
        assert!(usage.err.contains("--password-stdin"), "{usage:?}");
        drop(john);
    }

    async fn support_ends_all_sessions_of_one_customer(app: App) {
        let (rosa, jane) = (app.member("rosa@example.com").await, app.member("jane@example.com").await);
        app.session_of("rosa@example.com", PASSWORD).await;
        assert_eq!(run(&app, &["end-sessions", "rosa@example.com", "--by", "Ann"]).done(), "2 sessions ended");
        assert_eq!(run(&app, &["end-sessions", "rosa@example.com", "--by", "Ann"]).done(), "0 sessions ended");
        app.profile(&rosa).await.problem(401, "session_ended");
        app.profile(&jane).await.expect(200);
        assert_eq!(history(&app, "rosa@example.com")[3..], by(&["sign_out", "operator"], "Ann"));
    }

    async fn the_history_names_who_gave_the_command_to_the_operator_alone(app: App) {
        let create = ["create", "--email", "ada@example.com", "--first-name", "Ada", "--last-name", "L", "--id", "7", "--by", "  Zoë  Ann "];
        assert_eq!(run(&app, &create).done(), "7");
        assert_eq!(history(&app, "7"), by(&["operator"], "Zoë Ann"));
        let table = run(&app, &["history", "7"]);
        assert!(table.done().lines().nth(1).is_some_and(|line| line.contains("operator") && line.ends_with("Zoë Ann")), "{table:?}");
        let token = app.token(7);
        let shown = app.get("/api/v1/customers/me/history/").token(&token).send().await.expect(200);
        assert!(!shown.text().contains("Zo"), "{}", shown.text());
        let export = app.get("/api/v1/customers/me/export/").token(&token).send().await.expect(200);
        assert!(!export.text().contains("Zo"), "{}", export.text());
        let long = "x".repeat(101);
        for name in ["", " ", "a\u{7}b", "\u{200b}", &long] {
            let refused = run(&app, &["disable", "7", "--by", name]);
            assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{name:?}: {refused:?}");
        }
        run(&app, &["disable", "7", "--by", &long[1..]]).done();
        // Nobody has to be named.
        run(&app, &["enable", "7"]).done();
        assert_eq!(history(&app, "7").last(), Some(&("operator".to_owned(), None)));
    }

    async fn a_history_is_paged_on_the_command_line_too(app: App) {
        app.member("rosa@example.com").await;
        for _ in 0..3 {
            app.session_of("rosa@example.com", PASSWORD).await;
        }
        let all = json_of(&run(&app, &["history", "rosa@example.com", "--json"]));
        let third = all[2]["id"].as_str().expect("an id");
        let rest = json_of(&run(&app, &["history", "rosa@example.com", "--json", "--before", third, "--limit", "2"]));
        assert_eq!(rest.as_array().expect("a list")[..], all.as_array().expect("a list")[3..]);
        for arguments in [&["--limit", "0"][..], &["--limit", "1001"], &["--before", "x"], &["--before", "0"]] {
            assert_eq!(run(&app, &[&["history", "1"], arguments].concat()).code, Some(2), "{arguments:?}");
        }
    }

    async fn an_export_of_one_customer_is_what_the_customer_gets(app: App) {
        let rosa = app.member("rosa@example.com").await;
        app.jane();
        let binary = Binary::on(app.database_url());
        let finished = binary.run(&["customer", "export", "--customer", "rosa@example.com", "--out", "rosa.json", "--by", "Ann"]);
        assert_eq!(finished.done(), "");
        let text = std::fs::read_to_string(binary.folder().join("rosa.json")).expect("the file");
        let data: Value = serde_json::from_str(&text).expect("JSON");
        let own = app.get(&format!("{}export/", rosa.path())).token(&rosa.token).send().await.expect(200).json();
        for member in ["id", "profile", "email_canonical", "created_at", "password", "sessions", "version"] {
            assert_eq!(data[member], own[member], "{member}");
        }
        assert!(!text.contains("argon2") && !text.contains("Ann") && !text.contains("jane"), "{text}");
        assert_eq!(history(&app, "rosa@example.com")[2], ("export".to_owned(), Some("Ann".to_owned())));
        let usage = run(&app, &["export", "--customer", "124", "--with-passwords"]);
        assert_eq!(usage.code, Some(2), "{usage:?}");
    }

    async fn a_command_waits_for_a_row_that_is_held_and_then_says_so(app: App) {
        use diesel::connection::SimpleConnection;
        let john = app.john();
        let mut holder = app.connection();
        holder.batch_execute("BEGIN").expect("a transaction");
        holder.batch_execute("UPDATE customers SET version = version WHERE id = 123").expect("a lock");
        if app.backend() == crate::harness::Backend::Postgres {
            run(&app, &["update", "123", "--first-name", "Jon"]).refused(1, &["Busy"]);
        }
        holder.batch_execute("ROLLBACK").expect("the end");
        run(&app, &["update", "123", "--first-name", "Jon"]).done();
        assert_eq!(app.show(&john).await["first_name"], "Jon");
    }
}
