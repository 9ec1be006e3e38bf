//! Logging through env_logger, as text for people or as JSON lines for machines.
//!
//! Lines for a file or a pipe are written by a thread of their own, many at a time: a request waits for no disk.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use chrono::{SecondsFormat, Utc};
use crossbeam_channel::{Receiver, Sender, bounded};
use env_logger::fmt::Formatter;
use env_logger::{Target, WriteStyle};
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
    if !std::io::stderr().is_terminal() {
        match Background::start() {
            Ok(background) => builder.target(Target::Pipe(Box::new(background))).write_style(WriteStyle::Never),
            Err(_) => builder.write_style(WriteStyle::Never),
        };
    }
    if builder.try_init().is_err() {
        log::debug!("a logger is installed already");
    }
}

/// Lines that may wait to be written; beyond that a request waits for the disk after all, and none is lost.
const WAITING: usize = 16_384;
/// Bytes that are written at a time.
const AT_A_TIME: usize = 64 * 1024;

static BACKGROUND: OnceLock<Sender<Message>> = OnceLock::new();

/// The near end of the thread that writes to standard error.
struct Background(Sender<Message>);

enum Message {
    Line(Vec<u8>),
    /// Answered when all lines before it are written.
    Flush(Sender<()>),
}

impl Background {
    fn start() -> std::io::Result<Self> {
        let (sender, receiver) = bounded(WAITING);
        std::thread::Builder::new().name("log".into()).spawn(move || write_lines(&receiver))?;
        Ok(Self(BACKGROUND.get_or_init(|| sender).clone()))
    }
}

impl Write for Background {
    /// Takes a whole line: env_logger writes one at a time.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.send(Message::Line(line.to_vec())).map_err(std::io::Error::other)?;
        Ok(line.len())
    }

    /// env_logger flushes after each line, which would undo all this; see [`flush`].
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until all lines so far are written: before the process ends.
pub fn flush() {
    if let Some(sender) = BACKGROUND.get() {
        let (done, wait) = bounded(1);
        if sender.send(Message::Flush(done)).is_ok() && wait.recv().is_err() {
            log::debug!("the log's thread has ended");
        }
    }
}

fn write_lines(messages: &Receiver<Message>) {
    let mut buffer = Vec::with_capacity(AT_A_TIME);
    while let Ok(first) = messages.recv() {
        let mut flushed = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => buffer.extend_from_slice(&line),
                Message::Flush(done) => flushed.push(done),
            }
            next = if buffer.len() < AT_A_TIME { messages.try_recv().ok() } else { None };
        }
        // Nobody can be told that the log cannot be written.
        let _ = std::io::stderr().write_all(&buffer);
        buffer.clear();
        for done in flushed {
            let _ = done.send(());
        }
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
