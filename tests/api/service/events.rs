//! What the operator reads: one line an event, ids only, and never anything personal.

use serde_json::{Value, json};

use crate::harness::{App, Binary, PASSWORD, Person, on_both_databases, registration};

const EMAIL: &str = "xenophon.quillfeather@mail.example";
const NEW_EMAIL: &str = "xenophon.changed@mail.example";
const NEW_PASSWORD: &str = "another fine Passw0rd!";

/// Everything that the life of an account consists of, in order; failures included. The tokens that were in play.
async fn live(app: &App) -> Vec<String> {
    let mut body = registration(EMAIL);
    body["first_name"] = json!("Xenophon");
    body["last_name"] = json!("Quillfeather");
    body["address"] = json!({"street_address": "77 Juniper Close", "city": "Zwettl", "country": "Austria"});
    app.register(&body).await.expect(201);
    app.register(&body).await.problem(409, "email_taken");
    app.sign_in(EMAIL, "Wr0ng-Passw0rd-Typed").await.problem(401, "bad_credentials");
    app.sign_in("nobody.at.all@mail.example", "Wr0ng-Passw0rd-Typed").await.problem(401, "bad_credentials");
    let first = app.session_of(EMAIL, PASSWORD).await;
    let second = app.session_of(EMAIL, PASSWORD).await;
    let tokens = app.refresh(&second.refresh).await.expect(200).json();
    let child = tokens["refresh"].as_str().expect("a token").to_owned();
    app.refresh(&second.refresh).await.expect(200);
    let grandchild = app.refresh(&child).await.expect(200).json()["refresh"].as_str().expect("a token").to_owned();
    app.refresh(&second.refresh).await.problem(401, "session_ended");
    app.refresh(&format!("{grandchild}x")).await.problem(401, "token_invalid");
    let path = format!("{}password/", first.path());
    let wrong = json!({"current_password": "Wr0ng-Passw0rd-Typed", "new_password": NEW_PASSWORD});
    app.post(&path).token(&first.token).json(&wrong).send().await.expect(422);
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    app.post(&path).token(&first.token).json(&change).send().await.expect(204);
    app.patch(&first, &json!({"email": NEW_EMAIL})).await.expect(200);
    app.patch(&first, &json!({"first_name": "Xeno", "address": {"city": 7}})).await.expect(422);
    app.put(&first.path()).token(&first.token).text("{\"email\": \"xenophon").send().await.expect(400);
    app.get(&format!("{}?email={EMAIL}&access_token={}", first.path(), first.token)).send().await.expect(401);
    let third = app.session_of(NEW_EMAIL, NEW_PASSWORD).await;
    app.delete(&format!("{}sessions/{}/", third.path(), third.session())).token(&first.token).send().await.expect(204);
    app.delete(&first.path()).token(&first.token).send().await.expect(204);
    app.profile(&first).await.problem(401, "session_ended");
    [first, second, third]
        .into_iter()
        .flat_map(|Person { token, refresh, .. }| [token, refresh])
        .chain([child, grandchild])
        .collect()
}

/// Runs that life against the real binary; what it logged, and the tokens.
async fn logged(app: &App, format: &str, filter: &str) -> (String, Vec<String>) {
    let serving = Binary::on(app.database_url())
        .with("CLIENTELE__LOG__FORMAT", format)
        .with("CLIENTELE__LOG__FILTER", filter)
        .serve();
    let tokens = live(&app.at(serving.address)).await;
    serving.signal("TERM");
    let (code, log) = serving.wait();
    assert_eq!(code, Some(0), "{log}");
    (log, tokens)
}

#[track_caller]
fn holds_nothing_personal(log: &str, tokens: &[String]) {
    let log = log.to_lowercase();
    for personal in [
        "xenophon",
        "quillfeather",
        "mail.example",
        "nobody.at.all",
        "juniper",
        "zwettl",
        "passw0rd",
        "austria",
        "$argon2",
    ] {
        assert!(!log.contains(personal), "{personal} in {log}");
    }
    assert!(!tokens.is_empty());
    for token in tokens {
        let secret = token.rsplit('.').next().expect("a signature").to_lowercase();
        assert!(!log.contains(&secret), "{token} in {log}");
    }
}

fn events(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "clientele::events").collect()
}

on_both_databases! {
    async fn each_event_is_one_line_with_ids_only(app: App) {
        let (log, _) = logged(&app, "json", "info").await;
        let events = events(&log);
        let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().expect("a name")).collect();
        assert_eq!(names, [
            "registration", "sign_in_failed", "sign_in_failed", "sign_in", "sign_in", "refresh", "refresh_repeated",
            "refresh", "refresh_reused", "password_change_failed", "password_change", "email_change", "sign_in",
            "sign_out", "erasure",
        ]);
        let id = &events[0]["customer_id"];
        assert!(id.is_i64(), "{id}");
        for event in &events {
            for name in event.as_object().expect("an object").keys() {
                let known = ["time", "level", "target", "message", "event", "customer_id", "session_id"];
                assert!(known.contains(&name.as_str()), "{event}");
            }
            assert_eq!((&event["level"], &event["message"]), (&json!("INFO"), &json!("event")), "{event}");
        }
        // All of the same customer; the second failure names nobody.
        for (number, event) in events.iter().enumerate() {
            let expected = if number == 2 { &Value::Null } else { id };
            assert_eq!(event.get("customer_id").unwrap_or(&Value::Null), expected, "{event}");
        }
        for number in [3, 4, 5, 6, 7, 8, 9, 12, 13] {
            assert!(events[number]["session_id"].is_i64(), "{}", events[number]);
        }
        assert_eq!(events[4]["session_id"], events[8]["session_id"]);
        assert_eq!(events[12]["session_id"], events[13]["session_id"]);
    }

    async fn no_line_of_the_json_log_holds_anything_personal(app: App) {
        let (log, tokens) = logged(&app, "json", "info").await;
        for line in log.lines() {
            serde_json::from_str::<Value>(line).expect("one object a line");
        }
        holds_nothing_personal(&log, &tokens);
    }

    async fn no_line_of_the_text_log_holds_anything_personal(app: App) {
        let (log, tokens) = logged(&app, "text", "info").await;
        assert!(log.contains("clientele::events") && log.contains("event=erasure"), "{log}");
        assert!(log.contains("clientele::access"), "{log}");
        holds_nothing_personal(&log, &tokens);
    }

    async fn not_even_our_own_lines_for_debugging_do(app: App) {
        let (log, tokens) = logged(&app, "text", "info,clientele=trace").await;
        holds_nothing_personal(&log, &tokens);
    }

    async fn an_erasure_by_the_operator_is_an_event_too(app: App) {
        let john = app.john();
        let binary = Binary::on(app.database_url()).with("CLIENTELE__LOG__FORMAT", "json");
        let finished = binary.run(&["customer", "erase", &john.id.to_string()]);
        assert_eq!((finished.code, finished.out.as_str()), (Some(0), ""), "{finished:?}");
        let events = events(&finished.err);
        assert_eq!(events.len(), 1, "{finished:?}");
        assert_eq!((&events[0]["event"], &events[0]["customer_id"]), (&json!("erasure"), &json!(john.id)));
    }
}
