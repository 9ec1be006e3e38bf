//! Starting, and not starting: one clear line, and the exit code says whose fault it is.

use std::net::TcpListener;

use awc::http::Method;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::harness::{Binary, Cluster, PASSWORD, SECRET, on_both_databases, raw, registration};

on_both_databases! {
    async fn the_access_log_tells_what_happened_and_no_secret(app: App) {
        let john = app.john();
        for format in ["text", "json"] {
            let binary = Binary::on(app.database_url()).with("CLIENTELE__LOG__FORMAT", format);
            let serving = binary.serve();
            let body = r#"{"last_name":"Confidential"}"#;
            let request = format!(
                "PUT /api/v1/customers/123/?q=Confidential HTTP/1.1\r\nHost: x\r\nX-Request-Id: the-id-of-this-{format}\r\n\
                 Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                john.token,
                body.len()
            );
            raw(serving.address, request.as_bytes()).await.expect(200);
            serving.signal("TERM");
            let (code, log) = serving.wait();
            assert_eq!(code, Some(0), "{log}");
            let id = format!("the-id-of-this-{format}");
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(&id)).collect();
            assert_eq!(lines.len(), 1, "{log}");
            for word in ["PUT", "/api/v1/customers/{id}", "200", "123"] {
                assert!(lines[0].contains(word), "{word}: {log}");
            }
            for secret in ["Confidential", "john@example.com", &john.token, SECRET] {
                assert!(!log.contains(secret), "{secret}: {log}");
            }
            if format == "json" {
                let entry: Value = serde_json::from_str(lines[0]).expect("a JSON object a line");
                assert_eq!(entry["status"], 200);
                assert_eq!(entry["customer_id"], 123);
                assert!(entry["duration_us"].is_u64(), "{entry}");
                assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object())), "{log}");
            }
        }
    }

    async fn a_defect_is_500_without_its_cause_which_is_logged_once(app: App) {
        let john = app.john();
        let serving = Binary::on(app.database_url()).serve();
        app.connection().batch_execute("ALTER TABLE customers RENAME TO lost").expect("a defect");
        let broken = app.at(serving.address);
        let ids = [("GET", "the-id-of-the-get"), ("PUT", "the-id-of-the-put")];
        for (method, id) in ids {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let ask = broken.ask(method, &john.path()).token(&john.token).header("X-Request-Id", id);
            ask.json(&json!({"first_name": "Confidential"})).send().await.problem(500, "internal");
        }
        serving.signal("TERM");
        let (_, log) = serving.wait();
        for (_, id) in ids {
            let causes = log.lines().filter(|line| line.contains("ERROR") && line.contains(id));
            assert_eq!(causes.count(), 1, "{log}");
        }
        assert!(!log.contains("Confidential") && !log.contains("john@example.com"), "{log}");
    }

    async fn a_port_in_use_is_exit_code_1(app: App) {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("its address").to_string();
        let binary = Binary::on(app.database_url()).with("CLIENTELE__SERVER__BIND", &address);
        binary.run(&["serve"]).refused(1, &["listen", &address]);
    }

    async fn several_instances_that_start_together_on_an_empty_database_all_serve(app: App) {
        // Several rounds, as a race shows itself in some of them only.
        for _ in 0..5 {
            let empty = app.empty_database();
            let start = |_| {
                let binary = Binary::on(&empty.url);
                std::thread::spawn(move || binary.serve())
            };
            let starting: Vec<_> = (0..4).map(start).collect();
            for thread in starting {
                let serving = thread.join().expect("an instance starts");
                let request = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                raw(serving.address, request).await.expect(200);
            }
        }
    }
}

#[actix_rt::test]
async fn without_any_configuration_it_serves_from_a_file_in_data() {
    let binary = Binary::bare().with("CLIENTELE__SERVER__BIND", "127.0.0.1:0");
    let serving = binary.serve();
    let id = binary.run(&["customer", "create", "--email", "a@b.example", "--first-name", "A", "--last-name", ""]);
    let token = binary.run(&["token", "issue", "--customer", id.done()]);
    let request = format!(
        "GET /api/v1/customers/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        token.done()
    );
    assert_eq!(raw(serving.address, request.as_bytes()).await.expect(200).json()["email"], "a@b.example");
    assert!(binary.folder().join("data/clientele.db").exists());
    assert!(binary.folder().join("data/secret").exists());
}

#[actix_rt::test]
async fn the_longest_times_that_may_be_set_are_served() {
    let day = "86400";
    let times = [
        "SERVER__KEEP_ALIVE",
        "SERVER__HEAD_TIMEOUT",
        "SERVER__BODY_TIMEOUT",
        "SERVER__SHUTDOWN_TIMEOUT",
        "DATABASE__CONNECT_TIMEOUT",
        "DATABASE__STATEMENT_TIMEOUT",
    ];
    let binary = Binary::bare()
        .with("CLIENTELE__SERVER__BIND", "127.0.0.1:0")
        .with("CLIENTELE__SERVER__MAX_CONNECTIONS", "1000000");
    let binary = times.iter().fold(binary, |binary, name| binary.with(&format!("CLIENTELE__{name}_SECONDS"), day));
    let binary = ["ACCESS_TOKEN", "SESSION_IDLE", "SESSION_ABSOLUTE"]
        .iter()
        .fold(binary, |binary, name| binary.with(&format!("CLIENTELE__AUTH__{name}_SECONDS"), "3000000000"));
    let serving = binary.serve();
    let registration = registration("a@b.example").to_string();
    let sign_in = json!({"email": "a@b.example", "password": PASSWORD}).to_string();
    for (path, body, status) in [("/api/v1/customers/", registration, 201), ("/auth/token/", sign_in, 200)] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        raw(serving.address, request.as_bytes()).await.expect(status);
    }
}

#[test]
fn a_missing_database_is_one_line_and_exit_code_1() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let nobody_listens = format!("postgres://shop:hunter2@127.0.0.1:{port}/shop");
    for url in [nobody_listens.as_str(), "sqlite:///proc/nowhere/clientele.db", "sqlite:///dev/null/x.db", "sqlite:///"]
    {
        for command in [&["serve"][..], &["customer", "show", "1"], &["migrate", "status"]] {
            let finished = Binary::on(url).run(command);
            finished.refused(1, &[]);
            assert!(!finished.err.contains("hunter2"), "{finished:?}");
        }
    }
}

#[test]
fn a_database_that_does_not_exist_on_a_server_that_does_is_exit_code_1() {
    let cluster = Cluster::start().expect("PostgreSQL");
    for command in [&["serve"][..], &["migrate", "run"]] {
        Binary::on(&cluster.url("no_such_database")).run(command).refused(1, &["no_such_database"]);
    }
}

#[test]
fn a_file_that_is_no_database_is_exit_code_1() {
    let binary = Binary::bare().with("DATABASE_URL", "sqlite://notes.txt");
    let text = "This has never been a database. ".repeat(200);
    std::fs::write(binary.folder().join("notes.txt"), &text).expect("a file");
    for command in [&["serve"][..], &["customer", "show", "1"], &["migrate", "run"]] {
        binary.run(command).refused(1, &[]);
    }
    assert_eq!(std::fs::read_to_string(binary.folder().join("notes.txt")).expect("the file"), text);
}
