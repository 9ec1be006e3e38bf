//! The thread that writes log lines. No other thread waits for a disk, a terminal or the reader of a pipe.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most bytes of lines that wait to be written. Further lines are dropped and counted.
const MOST_WAITING: usize = 4 * 1024 * 1024;
/// How long lines are collected after the first one. The writing thread sleeps meanwhile, because waking it for each
/// line costs more than the line itself.
const COLLECTING: Duration = Duration::from_millis(10);

/// The queue of lines for standard error.
pub(super) struct Background {
    state: Mutex<State>,
    /// Notified for the first waiting line, and when a thread flushes.
    work: Condvar,
    /// Notified when lines were written or lost.
    done: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes that were added since the start, and bytes that were written or lost.
    received: u64,
    done: u64,
    /// Lines dropped since the last report.
    dropped: u64,
    flushing: bool,
}

impl Background {
    /// Starts the thread. `report` formats the line that says how many lines were dropped.
    ///
    /// # Errors
    /// The operating system could not create a thread or a descriptor.
    pub(super) fn start(report: impl Fn(u64) -> Vec<u8> + Send + 'static) -> std::io::Result<Arc<Self>> {
        // Uses its own descriptor, because with the standard library's lock other threads would wait for the pipe, too.
        let output = Output { file: File::from(std::io::stderr().as_fd().try_clone_to_owned()?), is_cut: false };
        let lines = Arc::new(Self { state: Mutex::default(), work: Condvar::new(), done: Condvar::new() });
        let thread = Arc::clone(&lines);
        std::thread::Builder::new().name("log".into()).spawn(move || thread.write_all(output, report))?;
        Ok(lines)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, or drops it if too many are waiting.
    pub(super) fn add(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > MOST_WAITING {
            state.dropped += 1;
            return;
        }
        let is_first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.received += line.len() as u64;
        drop(state);
        if is_first {
            self.work.notify_one();
        }
    }

    /// Waits until all lines so far are written, at most for `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let started = Instant::now();
        let mut state = self.lock();
        let target = state.received;
        while state.done < target {
            let Some(left) = timeout.checked_sub(started.elapsed()) else {
                return;
            };
            state.flushing = true;
            self.work.notify_one();
            (state, _) = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_all(&self, mut output: Output, report: impl Fn(u64) -> Vec<u8>) -> ! {
        let mut taken = Vec::new();
        let mut lost = 0;
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let collected = self.work.wait_timeout_while(state, COLLECTING, |state| !state.flushing);
            let (mut state, _) = collected.unwrap_or_else(PoisonError::into_inner);
            state.flushing = false;
            std::mem::swap(&mut state.waiting, &mut taken);
            let dropped = std::mem::take(&mut state.dropped);
            drop(state);
            // The dropped lines came after those that are written now.
            lost += output.write(&taken) + dropped;
            if lost > 0 && output.write(&report(lost)) == 0 {
                lost = 0;
            }
            self.lock().done += taken.len() as u64;
            self.done.notify_all();
            taken.clear();
        }
    }
}

struct Output {
    file: File,
    /// Whether the last line was written only in part.
    is_cut: bool,
}

impl Output {
    /// Writes lines. Returns how many could not be written.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_cut && self.file.write_all(b"\n").is_ok() {
            self.is_cut = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The reader is gone or the disk is full. Nothing can be reported until that changes.
                Err(_) | Ok(0) => break,
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            }
        }
        let begun = lines.len() - rest.len();
        self.is_cut |= !rest.is_empty() && begun > 0 && lines.get(begun - 1) != Some(&b'\n');
        rest.iter().filter(|byte| **byte == b'\n').count() as u64
    }
}
