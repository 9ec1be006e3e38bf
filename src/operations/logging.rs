//! Logging through env_logger, as text for people or as JSON lines for machines.

use std::io::Write;

use chrono::{SecondsFormat, Utc};
use env_logger::fmt::Formatter;
use log::Record;
use log::kv::{Key, Value, VisitSource};
use serde_json::Map;

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

fn text(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    struct Pairs<'a>(&'a mut Formatter);

    impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
            write!(self.0, " {key}={value}").map_err(log::kv::Error::boxed)
        }
    }

    let style = out.default_level_style(record.level());
    write!(out, "{} {style}{:<5}{style:#} {} {}", now(), record.level(), record.target(), record.args())?;
    record.key_values().visit(&mut Pairs(out)).map_err(std::io::Error::other)?;
    writeln!(out)
}

fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    struct Members(Map<String, serde_json::Value>);

    impl<'kvs> VisitSource<'kvs> for Members {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
            let value = match value.to_u64() {
                Some(number) => number.into(),
                None if value.to_string() == "None" => serde_json::Value::Null,
                None => value.to_string().into(),
            };
            self.0.insert(key.to_string(), value);
            Ok(())
        }
    }

    let mut members = Members(Map::new());
    for (name, value) in [
        ("time", now()),
        ("level", record.level().to_string()),
        ("target", record.target().to_owned()),
        ("message", record.args().to_string()),
    ] {
        members.0.insert(name.to_owned(), value.into());
    }
    record.key_values().visit(&mut members).map_err(std::io::Error::other)?;
    serde_json::to_writer(&mut *out, &members.0)?;
    writeln!(out)
}
