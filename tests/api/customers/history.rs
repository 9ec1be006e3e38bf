//! `GET /api/v1/customers/{id}/history/`: what happened to an account, and what is kept of it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{App, PASSWORD, Person, Reply, on_both_databases};

const NEW: &str = "another fine Passw0rd!";

/// A page of the history as its owner sees it.
async fn page(app: &App, member: &Person, query: &str) -> Reply {
    app.get(&format!("{}history/{query}", member.path())).token(&member.token).send().await
}

async fn entries(app: &App, member: &Person, query: &str) -> Vec<Value> {
    page(app, member, query).await.expect(200).json().as_array().expect("a list").clone()
}

/// The kinds, the oldest first.
async fn kinds(app: &App, member: &Person) -> Vec<String> {
    let kind = |entry: &Value| entry["kind"].as_str().expect("a kind").to_owned();
    entries(app, member, "?limit=200").await.iter().rev().map(kind).collect()
}

fn count(app: &App, kind: &str) -> i64 {
    app.number(&format!("SELECT COUNT(*) AS value FROM history WHERE kind = '{kind}'"))
}

on_both_databases! {
    async fn the_life_of_an_account_is_in_its_history(app: App) {
        let first = app.member("rosa@example.com").await;
        app.sign_in("rosa@example.com", "wrong").await.problem(401, "bad_credentials");
        app.sign_in("nobody@example.com", "wrong").await.problem(401, "bad_credentials");
        let second = app.session_of("rosa@example.com", PASSWORD).await;
        let third = app.session_of("rosa@example.com", PASSWORD).await;
        app.post("/auth/token/revoke/").json(&json!({"refresh": third.refresh})).send().await.expect(200);
        app.post("/auth/token/revoke/").json(&json!({"refresh": third.refresh})).send().await.expect(200);
        let child = app.refresh(&second.refresh).await.expect(200).json();
        app.refresh(&second.refresh).await.expect(200);
        app.refresh(child["refresh"].as_str().expect("a token")).await.expect(200);
        app.refresh(&second.refresh).await.problem(401, "session_ended");
        app.patch(&first, &json!({"first_name": "Rosalind", "date_of_birth": "1990-01-15"})).await.expect(200);
        app.patch(&first, &json!({"email": "new@example.com"})).await.expect(200);
        app.patch(&first, &json!({"email": "new@example.com"})).await.expect(200);
        let change = json!({"current_password": PASSWORD, "new_password": NEW});
        app.post(&format!("{}password/", first.path())).token(&first.token).json(&change).send().await.expect(204);
        app.get(&format!("{}export/", first.path())).token(&first.token).send().await.expect(200);
        let last = app.session_of("new@example.com", NEW).await;
        app.delete("/api/v1/customers/me/sessions/").token(&first.token).send().await.expect(204);
        let last = Person { token: app.session_of("new@example.com", NEW).await.token, ..last };
        assert_eq!(kinds(&app, &last).await, [
            "registration", "sign_in", "sign_in_failed", "sign_in", "sign_in", "sign_out", "refresh_repeated",
            "refresh_reused", "email_change", "password_change", "export", "sign_in", "sign_out", "sign_in",
        ]);
        let entries = entries(&app, &last, "").await;
        for (place, session) in [(13, None), (12, Some(&first)), (11, None), (10, Some(&second)), (8, Some(&third)), (6, Some(&second))] {
            let session = session.map(Person::session);
            assert_eq!(entries[place]["session"].as_str().map(ToOwned::to_owned), session, "{}", entries[place]);
        }
        for place in [5, 4, 3, 1] {
            assert_eq!(entries[place]["session"], first.session(), "{}", entries[place]);
        }
    }

    async fn an_entry_says_when_and_from_where_and_nothing_else(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let credentials = json!({"email": "rosa@example.com", "password": PASSWORD});
        let agent = format!("Phone/{}", "7".repeat(300));
        app.post("/auth/token/").header("User-Agent", &agent).json(&credentials).send().await.expect(200);
        let reply = page(&app, &rosa, "?limit=1").await.expect(200);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let entry = &reply.json()[0];
        let names: Vec<&String> = entry.as_object().expect("an object").keys().collect();
        assert_eq!(names, ["at", "client_network", "id", "kind", "session", "user_agent"]);
        assert_eq!((&entry["kind"], &entry["client_network"]), (&json!("sign_in"), &json!("127.0.0.0/24")));
        assert_eq!(entry["user_agent"].as_str().expect("a text").len(), 255);
        assert!(entry["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{entry}");
        // No email, no name, no password, in whatever the table holds.
        app.patch(&rosa, &json!({"email": "Other@example.com"})).await.expect(200);
        let columns = ["id", "customer_id", "kind", "at", "session_id", "network", "user_agent", "actor"];
        for column in columns {
            let texts = app.texts(&format!("SELECT CAST({column} AS TEXT) AS value FROM history")).concat().to_lowercase();
            assert!(!["example", "rosa", "delgado", "other"].iter().any(|trace| texts.contains(trace)), "{column}: {texts}");
        }
    }

    async fn a_history_is_read_page_by_page_and_misses_nothing(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let jane = app.member("jane@example.com").await;
        for number in 0..58 {
            app.patch(&rosa, &json!({"email": format!("rosa{number}@example.com")})).await.expect(200);
            app.patch(&jane, &json!({"email": format!("jane{number}@example.com")})).await.expect(200);
        }
        let all = entries(&app, &rosa, "?limit=200").await;
        assert_eq!(all.len(), 60);
        assert_eq!(entries(&app, &rosa, "").await, all[..50]);
        for size in [1, 7, 60] {
            let (mut read, mut query) = (Vec::new(), format!("?limit={size}"));
            loop {
                let part = entries(&app, &rosa, &query).await;
                let Some(last) = part.last() else { break };
                query = format!("?before={}&limit={size}", last["id"].as_str().expect("an id"));
                read.extend(part);
            }
            assert_eq!(read, all, "{size}");
        }
    }

    async fn a_bad_query_is_told_parameter_by_parameter(app: App) {
        let rosa = app.member("rosa@example.com").await;
        for value in ["0", "201", "-1", "%2B1", "", "1.5", "ten", "99999999999999999999"] {
            page(&app, &rosa, &format!("?limit={value}")).await.fields(&[("#/limit", "out_of_range")]);
        }
        for value in ["0", "", "-7", "x", "007", "99999999999999999999", "1'--"] {
            page(&app, &rosa, &format!("?before={value}")).await.fields(&[("#/before", "format")]);
        }
        page(&app, &rosa, "?limit=1&limit=2").await.fields(&[("#/limit", "format")]);
        page(&app, &rosa, "?before=x&limit=0&offset=3").await
            .fields(&[("#/before", "format"), ("#/limit", "out_of_range"), ("#/offset", "unknown_field")]);
        for query in ["?", "?limit=200", "?limit=1&before=9999999999999999999", "?before=1"] {
            page(&app, &rosa, query).await.expect(200);
        }
        // Decided after whose it is, and before the database is asked.
        app.get(&format!("{}history/?limit=0", rosa.path())).send().await.problem(401, "token_missing");
        let stranger = app.member("jane@example.com").await;
        app.get(&format!("{}history/?limit=0", rosa.path())).token(&stranger.token).send().await.problem(403, "not_owner");
    }

    async fn anothers_history_and_that_of_an_ended_session_are_refused(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let jane = app.member("jane@example.com").await;
        app.get(&format!("{}history/", rosa.path())).token(&jane.token).send().await.problem(403, "not_owner");
        app.delete("/api/v1/customers/me/sessions/").token(&rosa.token).send().await.expect(204);
        page(&app, &rosa, "").await.problem(401, "session_ended");
        let nobody = app.person(4711);
        app.get("/api/v1/customers/me/history/").token(&nobody.token).send().await.problem(404, "not_found");
        app.get("/api/v1/customers/me/export/").token(&nobody.token).send().await.problem(404, "not_found");
    }

    async fn of_failed_sign_ins_ten_an_hour_are_kept_however_many_come_at_once(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let jane = app.member("jane@example.com").await;
        let guess = |_| app.sign_in("rosa@example.com", "wrong");
        for reply in join_all((0..40).map(guess)).await {
            reply.problem(401, "bad_credentials");
        }
        assert_eq!(count(&app, "sign_in_failed"), 10);
        // Others have their own ten, other kinds are not counted, and an hour later there is room again.
        app.sign_in(&jane.email, "wrong").await.problem(401, "bad_credentials");
        let next = app.session_of("rosa@example.com", PASSWORD).await;
        assert_eq!((count(&app, "sign_in_failed"), count(&app, "sign_in")), (11, 3));
        let an_hour = 3_600_000_000_i64 << 10;
        app.execute(&format!("UPDATE history SET id = id - {an_hour} WHERE customer_id = {}", rosa.id));
        app.sign_in("rosa@example.com", "wrong").await.problem(401, "bad_credentials");
        assert_eq!(count(&app, "sign_in_failed"), 12);
        drop(next);
    }

    async fn exports_and_repeated_refreshes_cannot_fill_the_disk_either(app: App) {
        let rosa = app.member("rosa@example.com").await;
        app.refresh(&rosa.refresh).await.expect(200);
        for _ in 0..15 {
            app.refresh(&rosa.refresh).await.expect(200);
            app.get(&format!("{}export/", rosa.path())).token(&rosa.token).send().await.expect(200);
        }
        assert_eq!((count(&app, "refresh_repeated"), count(&app, "export")), (10, 10));
    }

    async fn each_change_of_an_email_in_a_batch_has_its_entry(app: App) {
        let members = join_all((0..6).map(|number| app.session(number))).await;
        let change = |number: usize| {
            let member = &members[number % members.len()];
            let email = match number % 2 {
                0 => format!("changed{number}@example.com"),
                _ => member.email.clone(),
            };
            let app = &app;
            async move { app.patch(member, &json!({"email": email, "last_name": format!("N{number}")})).await.status() }
        };
        let statuses = join_all((0..60).map(change)).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        // The even members changed ten times each, the odd ones kept what they had.
        assert_eq!(count(&app, "email_change"), 30);
        for (number, member) in members.iter().enumerate() {
            let changed = kinds(&app, member).await.into_iter().filter(|kind| kind == "email_change").count();
            assert_eq!(changed, [10, 0][number % 2]);
        }
    }

    async fn a_change_that_is_refused_leaves_no_entry(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let jane = app.member("jane@example.com").await;
        app.patch(&jane, &json!({"email": "rosa@example.com"})).await.problem(409, "email_taken");
        app.patch(&jane, &json!({"email": "jane@example.com"})).await.expect(200);
        app.put(&jane.path()).token(&jane.token).header("If-Match", "\"7\"").json(&json!({"email": "x@example.com"})).send().await
            .problem(412, "version_mismatch");
        let change = json!({"current_password": "wrong", "new_password": NEW});
        app.post(&format!("{}password/", jane.path())).token(&jane.token).json(&change).send().await.expect(422);
        app.delete(&format!("{}sessions/{}/", jane.path(), rosa.session())).token(&jane.token).send().await.problem(404, "not_found");
        app.register(&crate::harness::registration("jane@example.com")).await.problem(409, "email_taken");
        assert_eq!(kinds(&app, &jane).await, ["registration", "sign_in"]);
        assert_eq!(app.rows("history"), 4);
    }

    async fn old_entries_are_swept_and_young_ones_stay(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let day = 86_400_000_000_i64 << 10;
        app.sign_in("rosa@example.com", "wrong").await.expect(401);
        app.execute(&format!("UPDATE history SET id = id - 181 * {day} WHERE kind = 'registration'"));
        app.execute(&format!("UPDATE history SET id = id - 179 * {day} WHERE kind = 'sign_in'"));
        // The sweep comes when an instance starts, and each minute.
        drop(app.instance(&[]));
        until(&app, 2).await;
        assert_eq!(kinds(&app, &rosa).await, ["sign_in", "sign_in_failed"]);
        drop(app.instance(&[("CLIENTELE__HISTORY__DAYS", "178")]));
        until(&app, 1).await;
        assert_eq!(kinds(&app, &rosa).await, ["sign_in_failed"]);
    }

    async fn a_sweep_of_many_entries_ends(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let values: Vec<String> = (1..=2_500).map(|id| format!("({id}, {}, 'sign_in', CURRENT_TIMESTAMP)", rosa.id)).collect();
        app.execute(&format!("INSERT INTO history (id, customer_id, kind, at) VALUES {}", values.join(", ")));
        drop(app.instance(&[]));
        until(&app, 2).await;
        assert_eq!(kinds(&app, &rosa).await, ["registration", "sign_in"]);
    }

    async fn an_erased_customer_has_no_history_and_others_keep_theirs(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let jane = app.member("jane@example.com").await;
        app.delete(&rosa.path()).token(&rosa.token).send().await.expect(204);
        assert_eq!(app.rows("history"), 2);
        assert_eq!(kinds(&app, &jane).await, ["registration", "sign_in"]);
    }

    async fn an_export_holds_the_history_and_the_export_itself(app: App) {
        let rosa = app.member("rosa@example.com").await;
        let data = app.get(&format!("{}export/", rosa.path())).token(&rosa.token).send().await.expect(200).json();
        let history = data["history"].as_array().expect("a list");
        let kinds: Vec<_> = history.iter().map(|entry| entry["kind"].as_str().expect("a kind")).collect();
        assert_eq!(kinds, ["export", "sign_in", "registration"]);
        assert_eq!(entries(&app, &rosa, "").await, *history);
    }
}

impl App {
    /// The member of a number, who signed in.
    async fn session(&self, number: usize) -> Person {
        self.member(&format!("m{number}@example.com")).await
    }
}

/// Waits until the history has so many rows.
async fn until(app: &App, rows: i64) {
    let started = std::time::Instant::now();
    while app.rows("history") != rows {
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "{} rows", app.rows("history"));
        actix_rt::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
