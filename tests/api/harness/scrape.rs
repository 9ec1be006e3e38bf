//! What the service tells Prometheus.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::app::App;

/// The setting that turns the metrics on, on a free port.
pub(crate) const METRICS: (&str, &str) = ("CLIENTELE__METRICS__BIND", "127.0.0.1:0");

/// All series at one moment.
pub(crate) struct Scrape {
    /// As it was sent.
    pub(crate) text: String,
    series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Takes the lines apart.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self { series: series.collect(), text: text.to_owned() }
    }

    /// The value of a series as it is written; none before the first time that it is counted.
    pub(crate) fn find(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// The value of a series; 0 before the first time that it is counted.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        let metric = series.split('{').next().unwrap_or(series);
        let is_known =
            self.text.contains(&format!("# TYPE {}", metric.trim_end_matches("_sum").trim_end_matches("_count")));
        assert!(is_known || metric.starts_with("clientele_http_request"), "there is no metric {metric}");
        self.find(series).unwrap_or_default()
    }

    /// The names of all series.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.series.keys().map(String::as_str).collect()
    }
}

impl App {
    /// What this instance counts at this moment.
    pub(crate) async fn scrape(&self) -> Scrape {
        let reply = self.at_metrics().get("/metrics").send().await.expect(200);
        assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Scrape::parse(reply.text())
    }

    /// The way to the listener of the metrics.
    pub(crate) fn at_metrics(&self) -> Self {
        self.at(self.metrics_address.expect("metrics"))
    }
}

/// A program of Prometheus: the one that tests/run brought, or the system's.
pub(crate) fn prometheus_program(name: &str) -> Command {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin").join(name);
    Command::new(if own.exists() { own.as_path() } else { Path::new(name) })
}

/// What promtool says about an input that it takes from standard input; it fails the test if that is an error.
pub(crate) fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = prometheus_program("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool, which tests/run installs");
    child.stdin.take().expect("standard input").write_all(input.as_bytes()).expect("the input is sent");
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}
