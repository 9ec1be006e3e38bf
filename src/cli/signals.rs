//! Signal handling: SIGTERM and SIGINT stop the service, a second one exits at once, SIGHUP is ignored.
//!
//! A dedicated thread handles signals, so the process exits in time even if other threads are blocked.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_rt::signal::unix::{Signal, SignalKind, signal};
use actix_rt::time::sleep;
use futures_util::FutureExt;
use futures_util::future::{Either, poll_fn, select, select_all};
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::logging;
use crate::server::Stopper;

/// How long after `server.shutdown_timeout_seconds` the process exits in any case.
const MARGIN: Duration = Duration::from_secs(3);
/// How long threads may take to close their database connections after every request has its reply.
const THREADS_TIMEOUT: Duration = Duration::from_secs(2);

/// A handle to the signal thread.
pub(super) struct Signals(UnboundedSender<Report>);

/// What the service reports to the signal thread.
enum Report {
    Serving(Stopper),
    Served,
}

impl Signals {
    /// Starts the signal thread. From now on, these signals no longer end the process by themselves. Requests in flight
    /// get `shutdown_timeout` to finish.
    ///
    /// # Errors
    /// The operating system refused a thread or a handler.
    pub(super) fn watch(shutdown_timeout: Duration) -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let received = {
            let _entered = runtime.enter();
            Received::new()?
        };
        let (sender, reports) = unbounded_channel();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            let code = runtime.block_on(end(received, reports, shutdown_timeout));
            logging::flush();
            std::process::exit(code);
        })?;
        Ok(Self(sender))
    }

    /// Reports that the service has started.
    pub(super) fn serving(&self, stopper: Stopper) {
        self.send(Report::Serving(stopper));
    }

    /// Reports that every request has its reply.
    pub(super) fn served(&self) {
        self.send(Report::Served);
    }

    fn send(&self, report: Report) {
        if self.0.send(report).is_err() {
            log::error!("the signal thread has ended");
        }
    }
}

/// Waits until the process must exit. Returns the exit code.
async fn end(mut received: Received, mut reports: UnboundedReceiver<Report>, shutdown_timeout: Duration) -> i32 {
    let mut stopper = None;
    let name = loop {
        match select(pin!(received.stop()), pin!(reports.recv())).await {
            Either::Left((name, _)) => break name,
            Either::Right((Some(Report::Serving(serving)), _)) => stopper = Some(serving),
            // The service ended by itself, so `main` exits.
            Either::Right(_) => return std::future::pending().await,
        }
    };
    if let Ok(Report::Serving(serving)) = reports.try_recv() {
        stopper = Some(serving);
    }
    let Some(stopper) = stopper else {
        log::info!("{name}: exiting before the service has started");
        return 0;
    };
    log::info!("{name}: stopping");
    stopper.stop().await;
    let in_time = async {
        reports.recv().await;
        sleep(THREADS_TIMEOUT).await;
        log::warn!("exiting although a thread is still waiting for the database");
        0
    };
    let late = async {
        sleep(shutdown_timeout + MARGIN).await;
        log::error!("the service did not stop in time, exiting");
        1
    };
    let again = async {
        let name = received.stop().await;
        log::warn!("{name}, again: exiting at once");
        1
    };
    select_all([again.boxed_local(), in_time.boxed_local(), late.boxed_local()]).await.0
}

/// The signals received.
struct Received {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Received {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal that stops the service. Returns its name.
    async fn stop(&mut self) -> &'static str {
        poll_fn(|context| {
            while self.hang_up.poll_recv(context).is_ready() {
                log::info!("SIGHUP: ignored, because settings are read only at the start");
            }
            if self.terminate.poll_recv(context).is_ready() {
                return Poll::Ready("SIGTERM");
            }
            self.interrupt.poll_recv(context).map(|_| "SIGINT")
        })
        .await
    }
}
