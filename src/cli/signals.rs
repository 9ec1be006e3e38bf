//! What signals do to a service: SIGTERM and SIGINT stop it, the second one ends it, SIGHUP is ignored.
//!
//! A thread of its own watches, so that the process ends in time whatever the others wait for.

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

/// How long after `server.shutdown_timeout_seconds` the process ends, whatever it is doing.
const MARGIN: Duration = Duration::from_secs(3);
/// How long threads may take to close their connections, once every request has its reply.
const LAST_WORK: Duration = Duration::from_secs(2);

/// The thread that watches.
pub(super) struct Signals(UnboundedSender<News>);

/// What it has to know.
enum News {
    Serving(Stopper),
    Served,
}

impl Signals {
    /// Begins to watch: from now on no signal ends the process by itself. `patience` is what requests in flight get.
    ///
    /// # Errors
    /// The operating system refused a thread or a handler.
    pub(super) fn watch(patience: Duration) -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let received = {
            let _entered = runtime.enter();
            Received::new()?
        };
        let (sender, news) = unbounded_channel();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            let code = runtime.block_on(end(received, news, patience));
            logging::flush();
            std::process::exit(code);
        })?;
        Ok(Self(sender))
    }

    /// There is something to stop.
    pub(super) fn serving(&self, stopper: Stopper) {
        self.tell(News::Serving(stopper));
    }

    /// Every request has its reply.
    pub(super) fn served(&self) {
        self.tell(News::Served);
    }

    fn tell(&self, news: News) {
        if self.0.send(news).is_err() {
            log::error!("nobody watches for signals");
        }
    }
}

/// Waits until the process is to end; the exit code.
async fn end(mut received: Received, mut news: UnboundedReceiver<News>, patience: Duration) -> i32 {
    let mut stopper = None;
    let name = loop {
        match select(pin!(received.stop()), pin!(news.recv())).await {
            Either::Left((name, _)) => break name,
            Either::Right((Some(News::Serving(serving)), _)) => stopper = Some(serving),
            // It ended by itself.
            Either::Right(_) => return std::future::pending().await,
        }
    };
    if let Ok(News::Serving(serving)) = news.try_recv() {
        stopper = Some(serving);
    }
    let Some(stopper) = stopper else {
        log::info!("{name}: ends before it has begun to serve");
        return 0;
    };
    log::info!("{name}: stopping");
    stopper.stop().await;
    let in_time = async {
        news.recv().await;
        sleep(LAST_WORK).await;
        log::warn!("a thread still waits for the database: it is left behind");
        0
    };
    let late = async {
        sleep(patience + MARGIN).await;
        log::error!("the service did not stop in time: it is ended");
        1
    };
    let again = async {
        let name = received.stop().await;
        log::warn!("{name}, again: ends at once");
        1
    };
    select_all([again.boxed_local(), in_time.boxed_local(), late.boxed_local()]).await.0
}

/// The signals that came.
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

    /// Waits for one that stops the service; its name.
    async fn stop(&mut self) -> &'static str {
        poll_fn(|context| {
            while self.hang_up.poll_recv(context).is_ready() {
                log::info!("SIGHUP: ignored, as settings are read at the start only");
            }
            if self.terminate.poll_recv(context).is_ready() {
                return Poll::Ready("SIGTERM");
            }
            self.interrupt.poll_recv(context).map(|_| "SIGINT")
        })
        .await
    }
}
