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

/// How long the exit of the process waits for its last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

static BACKGROUND: OnceLock<Arc<Background>> = OnceLock::new();

/// Installs the logger. Later calls have no effect. `RUST_LOG` overrides the configured filter.
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
    // The lines are final. "Always" avoids a search for colours to remove.
    builder.write_style(WriteStyle::Always);
    if let Some(lines) = background(format) {
        builder.target(Target::Pipe(Box::new(Lines(lines))));
        std::panic::set_hook(Box::new(log_panic));
    }
    if builder.try_init().is_err() {
        log::debug!("a logger is installed already");
    }
}

/// Returns the writing thread, or `None` if the operating system cannot create it. Then each thread writes its own
/// lines.
fn background(format: LogFormat) -> Option<Arc<Background>> {
    if BACKGROUND.get().is_none() {
        let lines = Background::start(move |dropped| dropped_lines(format, dropped)).ok()?;
        return Some(Arc::clone(BACKGROUND.get_or_init(|| lines)));
    }
    BACKGROUND.get().cloned()
}

/// Formats the line that reports dropped lines.
fn dropped_lines(format: LogFormat, count: u64) -> Vec<u8> {
    let mut record = Record::builder();
    record.level(Level::Warn).target("clientele");
    let line = line(format, Style::new(), &record.args(format_args!("{count} log lines were dropped")).build());
    line.unwrap_or_default()
}

/// Logs a panic. The standard library's hook would wait for standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    log::error!(target: "clientele", "{}", panic.to_string().replace('\n', " "));
    if std::thread::current().name() == Some("main") {
        flush();
    }
}

/// Passes the lines of env_logger to the writing thread.
struct Lines(Arc<Background>);

impl Write for Lines {
    /// Adds a line. env_logger always writes a whole line at once.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    /// Does nothing, because env_logger flushes after each line. See [`flush`].
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes a line to standard error, regardless of the filter.
pub fn print(text: &str) {
    let line = format!("{text}\n");
    match BACKGROUND.get() {
        Some(lines) => lines.add(line.as_bytes()),
        // If standard error is closed, there is nowhere to report the error.
        None => drop(std::io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits until all lines so far are written, or for two seconds. Called before the process exits.
pub fn flush() {
    if let Some(lines) = BACKGROUND.get() {
        lines.flush(FLUSH_TIMEOUT);
    }
}
