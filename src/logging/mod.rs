//! Logging through env_logger, as text for people or as JSON lines for machines.

mod background;
mod line;

use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use env_logger::fmt::style::Style;
use env_logger::{Target, WriteStyle};
use log::{Level, Record};

use self::background::Background;
use self::line::line;
use crate::settings::{Log, LogFormat};

/// How long the end of the process may wait for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

static BACKGROUND: OnceLock<Arc<Background>> = OnceLock::new();

/// Installs the logger; later calls change nothing. `RUST_LOG` wins over the configured filter.
pub fn install(settings: &Log) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&settings.filter);
    if let Ok(filter) = std::env::var(env_logger::DEFAULT_FILTER_ENV) {
        builder.parse_filters(&filter);
    }
    let format = settings.format;
    let has_colours = format == LogFormat::Text && std::io::stderr().is_terminal();
    builder.format(move |out, record| {
        let style = if has_colours { out.default_level_style(record.level()) } else { Style::new() };
        out.write_all(&line(format, style, record)?)
    });
    // The lines are as they are to be: "always" spares the search for colours to take out.
    builder.write_style(WriteStyle::Always);
    if let Some(lines) = background(format) {
        builder.target(Target::Pipe(Box::new(Lines(lines))));
        std::panic::set_hook(Box::new(log_panic));
    }
    if builder.try_init().is_err() {
        log::debug!("a logger is installed already");
    }
}

/// None where the operating system refuses a thread; lines are then written where they arise.
fn background(format: LogFormat) -> Option<Arc<Background>> {
    if BACKGROUND.get().is_none() {
        let lines = Background::start(move |dropped| dropped_lines(format, dropped)).ok()?;
        return Some(Arc::clone(BACKGROUND.get_or_init(|| lines)));
    }
    BACKGROUND.get().cloned()
}

/// The line that stands for others.
fn dropped_lines(format: LogFormat, count: u64) -> Vec<u8> {
    let mut record = Record::builder();
    record.level(Level::Warn).target("clientele");
    let line = line(format, Style::new(), &record.args(format_args!("{count} log lines were dropped")).build());
    line.unwrap_or_default()
}

/// The standard library's hook would wait for standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    log::error!(target: "clientele", "{}", panic.to_string().replace('\n', " "));
    if std::thread::current().name() == Some("main") {
        flush();
    }
}

/// env_logger's way to the thread that writes.
struct Lines(Arc<Background>);

impl Write for Lines {
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

/// Writes a line to standard error, whatever the filter is.
pub fn print(text: &str) {
    let line = format!("{text}\n");
    match BACKGROUND.get() {
        Some(lines) => lines.add(line.as_bytes()),
        // Nobody is left to tell when standard error is closed.
        None => drop(std::io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits until all lines so far are written, or a while has passed: before the process ends.
pub fn flush() {
    if let Some(lines) = BACKGROUND.get() {
        lines.flush(LAST_LINES);
    }
}
