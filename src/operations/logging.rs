//! Logging through env_logger, as text for people or as JSON lines for machines.
//!
//! Lines for a file or a pipe are written by a thread of their own, many at a time: a request waits for no disk.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use env_logger::fmt::Formatter;
use env_logger::fmt::style::Style;
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
    let to_terminal = std::io::stderr().is_terminal();
    match settings.format {
        LogFormat::Text if to_terminal => builder.format(|out, record| {
            let style = out.default_level_style(record.level());
            text(out, record, style)
        }),
        LogFormat::Text => builder.format(|out, record| text(out, record, Style::new())),
        LogFormat::Json => builder.format(json),
    };
    if !to_terminal {
        // Lines have no colours here; "always" spares the search for some to take out.
        builder.write_style(WriteStyle::Always);
        if let Ok(background) = Background::start() {
            builder.target(Target::Pipe(Box::new(background)));
        }
    }
    if builder.try_init().is_err() {
        log::debug!("a logger is installed already");
    }
}

/// Bytes of lines that may wait to be written; beyond that a request waits for the disk after all, and none is lost.
const WAITING: usize = 4 * 1024 * 1024;
/// How long lines gather after the first. The thread that writes them sleeps meanwhile, so that a line wakes nobody:
/// waking it costs more than the line does.
const GATHERING: Duration = Duration::from_millis(10);

static BACKGROUND: OnceLock<Arc<Lines>> = OnceLock::new();

/// Lines on their way to the thread that writes them to standard error.
#[derive(Default)]
struct Lines {
    state: Mutex<State>,
    /// There is a first line, or somebody waits for all to be written.
    wanted: Condvar,
    /// Lines were written.
    written: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes that came in, and that were written, since the start.
    received: u64,
    done: u64,
    hurry: bool,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut state = self.lock();
        while state.waiting.len() >= WAITING {
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.received += line.len() as u64;
        drop(state);
        if first {
            self.wanted.notify_one();
        }
    }

    /// Waits until all that came in so far is written.
    fn flush(&self) {
        let mut state = self.lock();
        let target = state.received;
        while state.done < target {
            state.hurry = true;
            self.wanted.notify_one();
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_all(&self) -> ! {
        let mut taken = Vec::new();
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let gathered = self.wanted.wait_timeout_while(state, GATHERING, |state| !state.hurry);
            let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            state.hurry = false;
            std::mem::swap(&mut state.waiting, &mut taken);
            drop(state);
            // Nobody can be told that the log cannot be written.
            let _ = std::io::stderr().write_all(&taken);
            self.lock().done += taken.len() as u64;
            self.written.notify_all();
            taken.clear();
        }
    }
}

/// The near end of the thread that writes to standard error.
struct Background(Arc<Lines>);

impl Background {
    fn start() -> std::io::Result<Self> {
        let lines = Arc::<Lines>::default();
        let far_end = Arc::clone(&lines);
        std::thread::Builder::new().name("log".into()).spawn(move || far_end.write_all())?;
        Ok(Self(Arc::clone(BACKGROUND.get_or_init(|| lines))))
    }
}

impl Write for Background {
    /// Takes a whole line: env_logger writes one at a time.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    /// env_logger flushes after each line, which would undo all this; see [`flush`].
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until all lines so far are written: before the process ends.
pub fn flush() {
    if let Some(lines) = BACKGROUND.get() {
        lines.flush();
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// One key and its value, written in one of two ways; what is null is left out.
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

/// Room for a usual line, in bytes.
const LINE: usize = 320;

fn quote(line: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    serde_json::to_writer(line, text).map_err(std::io::Error::from)
}

fn text(out: &mut Formatter, record: &Record<'_>, style: Style) -> std::io::Result<()> {
    let mut line = Vec::with_capacity(LINE);
    let (time, level, target) = (now(), record.level(), record.target());
    write!(line, "{time} {style}{level:<5}{style:#} {target} {}", record.args())?;
    finish(out, line, record, LogFormat::Text)
}

fn json(out: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    let mut line = Vec::with_capacity(LINE);
    let (time, level, target) = (now(), record.level(), record.target());
    write!(line, r#"{{"time":"{time}","level":"{level}","target":"{target}","message":"#)?;
    match record.args().as_str() {
        Some(message) => quote(&mut line, message)?,
        None => quote(&mut line, &record.args().to_string())?,
    }
    finish(out, line, record, LogFormat::Json)
}

fn finish(out: &mut Formatter, mut line: Vec<u8>, record: &Record<'_>, format: LogFormat) -> std::io::Result<()> {
    record.key_values().visit(&mut Pairs { line: &mut line, format }).map_err(std::io::Error::other)?;
    line.extend_from_slice(match format {
        LogFormat::Json => b"}\n",
        LogFormat::Text => b"\n",
    });
    out.write_all(&line)
}
