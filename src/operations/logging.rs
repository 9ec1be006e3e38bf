//! Logging through env_logger, as text for people or as JSON lines for machines.

use std::fmt::Write as _;
use std::io::Write;

use chrono::{SecondsFormat, Utc};
use env_logger::fmt::Formatter;
use log::Record;
use log::kv::{Key, Value, VisitSource, VisitValue};

use crate::settings::{Log, LogFormat};

/// Installs the logger; later calls change nothing. `RUST_LOG` wins over the configured filter.
pub fn install(settings: &Log) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&settings.filter);
    if let Ok(filter) = std::env::var(env_logger::DEFAULT_FILTER_ENV) {
        builder.parse_filters(&filter);
    }
    match settings.format {
        LogFormat::Text => builder.format(text),
        LogFormat::Json => builder.format(json),
    };
    if builder.try_init().is_err() {
        log::debug!("a logger is installed already");
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// One key and its value, written in one of two ways; what is null is left out.
struct Pair<'a> {
    line: &'a mut String,
    key: &'a str,
    json: bool,
}

impl Pair<'_> {
    fn plain(&mut self, value: impl std::fmt::Display) -> Result<(), log::kv::Error> {
        let written = if self.json {
            write!(self.line, ",\"{}\":{value}", self.key)
        } else {
            write!(self.line, " {}={value}", self.key)
        };
        written.map_err(log::kv::Error::from)
    }

    fn quoted(&mut self, value: &str) -> Result<(), log::kv::Error> {
        if self.json { self.plain(serde_json::Value::from(value)) } else { self.plain(value) }
    }
}

impl<'v> VisitValue<'v> for Pair<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), log::kv::Error> {
        self.quoted(&value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), log::kv::Error> {
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), log::kv::Error> {
        self.plain(value)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), log::kv::Error> {
        self.plain(value)
    }

    fn visit_str(&mut self, value: &str) -> Result<(), log::kv::Error> {
        self.quoted(value)
    }
}

struct Pairs<'a> {
    line: &'a mut String,
    json: bool,
}

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        value.visit(Pair { line: self.line, key: key.as_str(), json: self.json })
    }
}

fn text(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let style = out.default_level_style(record.level());
    let mut line = format!("{} {style}{:<5}{style:#} {} {}", now(), record.level(), record.target(), record.args());
    record.key_values().visit(&mut Pairs { line: &mut line, json: false }).map_err(std::io::Error::other)?;
    writeln!(out, "{line}")
}

fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let message = serde_json::Value::from(record.args().to_string());
    let (level, target) = (record.level(), record.target());
    let mut line = format!(r#"{{"time":"{}","level":"{level}","target":"{target}","message":{message}"#, now());
    record.key_values().visit(&mut Pairs { line: &mut line, json: true }).map_err(std::io::Error::other)?;
    writeln!(out, "{line}}}")
}
