//! The thread that delivers what is due.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::worker::{Parts, Worker};

/// The pause after a panic.
const PANIC_PAUSE: Duration = Duration::from_secs(1);
/// How long the service waits for this thread to end. What it has not delivered by then is delivered after the next start.
const END_TIME: Duration = Duration::from_secs(5);

/// A running delivery. Dropping it ends the thread after the mail that it is sending.
pub(crate) struct Delivery {
    stop: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl Delivery {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system cannot create a thread or a timer.
    pub(crate) fn start(parts: Parts) -> std::io::Result<Self> {
        let (stop, stopped) = bounded(0);
        let (end, ended) = bounded(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let mut worker = Worker::new(parts, runtime, stopped);
        std::thread::Builder::new().name("outbox".into()).spawn(move || {
            // Dropped when the thread ends.
            let _end: Sender<()> = end;
            while catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                log::error!("the delivery of mails panicked");
                if worker.is_stopped_within(PANIC_PAUSE) {
                    break;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), ended })
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.stop = None;
        if self.ended.recv_timeout(END_TIME) == Err(RecvTimeoutError::Timeout) {
            log::warn!("a mail is still being sent; it may be sent again after the next start");
        }
    }
}
