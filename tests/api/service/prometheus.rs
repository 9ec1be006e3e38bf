//! A real Prometheus scrapes the service, and gets an answer to every query of the dashboard and of the alert rules.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::harness::{
    App, Backend, METRICS, PASSWORD, on_both_databases, prometheus_program, promtool, registration, run,
};

const DASHBOARD: &str = include_str!("../../../docs/operations/grafana-dashboard.json");
const DOCUMENT: &str = include_str!("../../../docs/operations/metrics.md");
const ALERTS: &str = include_str!("../../../docs/operations/alerts.yml");
/// Longer than Prometheus needs to start and to scrape a few times.
const PATIENCE: Duration = Duration::from_secs(90);

/// A Prometheus that scrapes one service four times a second; killed when dropped.
struct Prometheus {
    child: Child,
    app: App,
    _folder: TempDir,
}

impl Prometheus {
    fn start(app: &App) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let target = app.metrics_address.expect("metrics");
        let configuration = format!(
            "global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}}\n\
             rule_files: [alerts.yml]\n\
             scrape_configs: [{{job_name: clientele, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), configuration).expect("its configuration");
        std::fs::write(folder.path().join("alerts.yml"), ALERTS).expect("its rules");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let child = prometheus_program("prometheus")
            .arg(format!("--web.listen-address={address}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same file"))
            .stderr(log)
            .spawn()
            .expect("prometheus, which tests/run installs");
        Self { child, app: app.at(address), _folder: folder }
    }

    /// What its API answers; none before it listens.
    async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = Url::parse_with_params("http://localhost", parameters).expect("a query");
        let target = format!("{path}?{}", url.query().unwrap_or_default());
        Some(self.app.get(&target).try_send().await?.json())
    }

    /// The result of a query, which must be a good one.
    async fn query(&self, query: &str) -> Vec<Value> {
        // What Grafana puts in.
        let query = query.replace("$__rate_interval", "1m").replace("$instance", ".*");
        let answer = self.ask("/api/v1/query", &[("query", &query)]).await.expect("an answer");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().expect("a vector").clone()
    }

    /// Waits until a query has a result.
    async fn until(&self, query: &str) {
        let started = Instant::now();
        loop {
            let answer = self.ask("/api/v1/query", &[("query", query)]).await;
            if answer.as_ref().is_some_and(|answer| answer["data"]["result"][0].is_object()) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{query}: {answer:?}");
            actix_rt::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The title of each panel and what it asks.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets =
        panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten().map(move |asks| (panel, asks)));
    targets.map(|(panel, asks)| (text(&panel["title"]), text(&asks["expr"]))).collect()
}

/// Something of everything: sessions, updates and reads, a refusal, a lock that is in the way.
async fn traffic(app: &App) {
    let crowd = app.crowd(20);
    for number in 0..2 {
        let body = json!({"first_name": format!("Name {number}")});
        for reply in join_all(crowd.iter().map(|person| app.change(person, &body))).await {
            reply.expect(200);
        }
    }
    join_all(crowd.iter().map(|person| app.show(person))).await;
    let email = format!("{}@example.com", rand::random::<u32>());
    app.register(&registration(&email)).await.expect(201);
    let tokens = app.sign_in(&email, PASSWORD).await.expect(200).json();
    app.post("/auth/token/revoke/").json(&json!({"refresh": tokens["refresh"]})).send().await.expect(200);
    app.change(&crowd[0], &json!({"first_name": ""})).await.expect(422);
    let mut blocker = app.connection();
    blocker
        .batch_execute("BEGIN IMMEDIATE")
        .or_else(|_| blocker.batch_execute("BEGIN; LOCK TABLE customers"))
        .expect("a lock");
    app.change(&crowd[0], &json!({"first_name": "Late"})).await.expect(503);
    blocker.batch_execute("COMMIT").expect("the end of the lock");
}

on_both_databases! {
    async fn every_query_of_the_dashboard_is_answered_with_data(app: App) {
        let app = app.instance(&[METRICS]);
        let prometheus = Prometheus::start(&app);
        // A rate needs a value from before.
        prometheus.until("clientele_database_up == 1").await;
        traffic(&app).await;
        prometheus.until("increase(clientele_queue_refusals_total{reason=\"locked\"}[1m]) > 0").await;
        // What was counted for the first time has no earlier value, so once more.
        app.change(&app.person(1000), &json!({"first_name": "Again"})).await.expect(200);
        prometheus.until("rate(clientele_http_requests_total{method=\"PUT\",status=\"200\"}[1m]) > 0").await;
        let queries = queries();
        assert!(queries.len() > 20);
        for (title, query) in queries {
            let result = prometheus.query(&query).await;
            assert!(!result.is_empty(), "{title}: no data from {query}");
        }
        rules_are_evaluated(&prometheus).await;
    }
}

/// Every rule was evaluated without an error, and none fires for what was asked of the service.
async fn rules_are_evaluated(prometheus: &Prometheus) {
    let started = Instant::now();
    loop {
        let answer = prometheus.ask("/api/v1/rules", &[]).await.expect("an answer");
        let rules = answer["data"]["groups"][0]["rules"].as_array().expect("rules").clone();
        assert_eq!(rules.len(), ALERTS.matches("- alert:").count());
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{answer}");
        if rules.iter().all(|rule| rule["health"] == "ok") {
            for rule in rules {
                prometheus.query(rule["query"].as_str().expect("a query")).await;
            }
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{answer}");
        actix_rt::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn promtool_accepts_the_alert_rules() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alerts.yml");
    std::fs::write(&path, ALERTS).expect("the rules");
    let said = promtool(&["check", "rules", "--lint=all", "--lint-fatal", &path.to_string_lossy()], "");
    assert!(said.contains("SUCCESS"), "{said}");
}

#[actix_rt::test]
async fn every_metric_of_the_documents_exists_and_every_metric_is_documented() {
    run(Backend::Sqlite, async |app: App| {
        let app = app.instance(&[METRICS]);
        app.get("/health/live").send().await.expect(200);
        let text = app.scrape().await.text;
        let known: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        for metric in &known {
            let is_listed = [format!("`{metric}`"), format!("`{metric}{{")].iter().any(|name| DOCUMENT.contains(name));
            assert!(is_listed, "{metric}");
        }
        for (place, source) in [("dashboard", DASHBOARD), ("rules", ALERTS), ("document", DOCUMENT)] {
            let words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("clientele_") || word.starts_with("process_")) {
                let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
                assert!(
                    known.contains(&word) || of_histogram.is_some_and(|base| known.contains(&base)),
                    "{place}: {word}"
                );
            }
        }
    })
    .await;
}
