//! The thread that writes log lines: nobody else waits for a disk, a terminal, or whoever reads a pipe.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of lines that may wait to be written; beyond that lines are dropped and counted.
const MOST_WAITING: usize = 4 * 1024 * 1024;
/// How long lines gather after the first. The thread that writes them sleeps meanwhile, so that a line wakes nobody:
/// waking it costs more than the line does.
const GATHERING: Duration = Duration::from_millis(10);

/// Lines on their way to standard error.
pub(super) struct Background {
    state: Mutex<State>,
    /// There is a first line, or somebody waits for all to be written.
    wanted: Condvar,
    /// Lines were written, or could not be.
    done: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes that came in, and that are written or lost, since the start.
    received: u64,
    done: u64,
    /// Lines that found no room since this was last told.
    dropped: u64,
    hurry: bool,
}

impl Background {
    /// Starts the thread. `tell` makes the line that says how many were dropped.
    ///
    /// # Errors
    /// The operating system refused a thread or a descriptor.
    pub(super) fn start(tell: impl Fn(u64) -> Vec<u8> + Send + 'static) -> std::io::Result<Arc<Self>> {
        // A descriptor of its own: the standard library's lock would make others wait for the same pipe.
        let output = Output { file: File::from(std::io::stderr().as_fd().try_clone_to_owned()?), is_cut: false };
        let lines = Arc::new(Self { state: Mutex::default(), wanted: Condvar::new(), done: Condvar::new() });
        let thread = Arc::clone(&lines);
        std::thread::Builder::new().name("log".into()).spawn(move || thread.write_all(output, tell))?;
        Ok(lines)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, or drops it.
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
            self.wanted.notify_one();
        }
    }

    /// Waits until all that came in so far is written, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let started = Instant::now();
        let mut state = self.lock();
        let target = state.received;
        while state.done < target {
            let Some(left) = patience.checked_sub(started.elapsed()) else {
                return;
            };
            state.hurry = true;
            self.wanted.notify_one();
            (state, _) = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_all(&self, mut output: Output, tell: impl Fn(u64) -> Vec<u8>) -> ! {
        let mut taken = Vec::new();
        let mut lost = 0;
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let gathered = self.wanted.wait_timeout_while(state, GATHERING, |state| !state.hurry);
            let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            state.hurry = false;
            std::mem::swap(&mut state.waiting, &mut taken);
            let dropped = std::mem::take(&mut state.dropped);
            drop(state);
            // What was dropped came after what is written now.
            lost += output.write(&taken) + dropped;
            if lost > 0 && output.write(&tell(lost)) == 0 {
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
    /// A line broke off in its middle.
    is_cut: bool,
}

impl Output {
    /// Writes lines; how many could not be written.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_cut && self.file.write_all(b"\n").is_ok() {
            self.is_cut = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The reader went away, or the disk is full: nobody can be told until it is otherwise.
                Err(_) | Ok(0) => break,
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            }
        }
        let begun = lines.len() - rest.len();
        self.is_cut |= !rest.is_empty() && begun > 0 && lines.get(begun - 1) != Some(&b'\n');
        rest.iter().filter(|byte| **byte == b'\n').count() as u64
    }
}
