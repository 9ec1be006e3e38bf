//! Formats a record as a line.

use std::io::Write;

use chrono::{SecondsFormat, Utc};
use env_logger::fmt::style::Style;
use log::Record;
use log::kv::{Key, Value, VisitSource, VisitValue};

use crate::settings::LogFormat;

/// The initial capacity of a line, in bytes. It fits most lines.
const LINE: usize = 320;

/// Formats a record as a line, including the line break.
///
/// # Errors
/// A key or a value cannot be formatted.
pub(super) fn line(format: LogFormat, style: Style, record: &Record<'_>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(LINE);
    let (time, level, target) = (now(), record.level(), record.target());
    match format {
        LogFormat::Text => {
            write!(line, "{time} {style}{level:<5}{style:#} {target} {}", record.args())?;
        }
        LogFormat::Json => {
            write!(line, r#"{{"time":"{time}","level":"{level}","target":"{target}","message":"#)?;
            match record.args().as_str() {
                Some(message) => quote(&mut line, message)?,
                None => quote(&mut line, &record.args().to_string())?,
            }
        }
    }
    record.key_values().visit(&mut Pairs { line: &mut line, format }).map_err(std::io::Error::other)?;
    line.extend_from_slice(match format {
        LogFormat::Json => b"}\n",
        LogFormat::Text => b"\n",
    });
    Ok(line)
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Writes one key and its value as text or JSON. Null values are left out.
struct Pair<'a> {
    line: &'a mut Vec<u8>,
    key: &'a str,
    format: LogFormat,
}

impl Pair<'_> {
    fn plain(&mut self, value: impl std::fmt::Display) -> Result<(), log::kv::Error> {
        self.key()?;
        Ok(write!(self.line, "{value}")?)
    }

    fn quoted(&mut self, value: &str) -> Result<(), log::kv::Error> {
        self.key()?;
        match self.format {
            LogFormat::Json => quote(self.line, value)?,
            LogFormat::Text => self.line.write_all(value.as_bytes())?,
        }
        Ok(())
    }

    fn key(&mut self) -> std::io::Result<()> {
        match self.format {
            LogFormat::Json => write!(self.line, ",\"{}\":", self.key),
            LogFormat::Text => write!(self.line, " {}=", self.key),
        }
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
    line: &'a mut Vec<u8>,
    format: LogFormat,
}

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        value.visit(Pair { line: self.line, key: key.as_str(), format: self.format })
    }
}

fn quote(line: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    serde_json::to_writer(line, text).map_err(std::io::Error::from)
}
