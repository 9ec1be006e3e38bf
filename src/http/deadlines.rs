//! The stream below the framework: closes connections whose clients are late, and reads no more than is handled.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use actix_rt::time::{Sleep, sleep_until};
use actix_web::ResponseError;
use actix_web::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, Owed, Timeouts};
use super::last_reply::{LastReply, bare_error};
use super::problem::Problem;
use crate::metrics::{Open, Route};

/// The longest head of a request, in bytes. The framework parses what has come of it after each piece.
const LONGEST_HEAD: usize = 16 * 1024;
/// Bytes that the framework gets at once, and before it has to do something with them: so much of requests that have not
/// begun it may hold, twice.
const PIECE: usize = 8 * 1024;

/// When the service stops: by then every request in flight has its reply, or is told to come again.
#[derive(Default)]
pub struct Stop(OnceLock<Instant>);

impl Stop {
    /// Sets the moment; a second one changes nothing. Connections learn of it from the framework's graceful shutdown.
    pub fn by(&self, due: Instant) {
        self.0.get_or_init(|| due);
    }
}

/// A stream with deadlines for what the client has to do next: finish a head, finish a body, take a reply.
pub struct Deadlines<S> {
    stream: S,
    connection: Rc<Connection>,
    stop: Arc<Stop>,
    /// Where replies are counted that no middleware sees.
    metrics: Route,
    _counted: Open,
    /// Since when the client takes no more of a reply.
    stuck: Option<Instant>,
    /// Bytes that the framework got since it last had the chance to handle some.
    ahead: usize,
    /// The framework wanted more than it may have.
    is_held_back: bool,
    last_reply: Option<LastReply>,
    /// Made when it is first needed: most clients are never waited for.
    timer: Option<Pin<Box<Sleep>>>,
    /// The last moment at which the timer has gone off.
    rung: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Deadlines<S> {
    /// Wraps an accepted stream, which `counted` counts as open.
    pub(crate) fn new(stream: S, timeouts: Timeouts, stop: Arc<Stop>, metrics: Route, counted: Open) -> Self {
        Self {
            stream,
            connection: Rc::new(Connection::new(timeouts)),
            stop,
            metrics,
            _counted: counted,
            stuck: None,
            ahead: 0,
            is_held_back: false,
            last_reply: None,
            timer: None,
            rung: None,
        }
    }

    /// What the middleware shares with this stream.
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// What is due next, and for which the timer has not gone off.
    fn due(&self) -> Option<Instant> {
        let dues = match (&self.last_reply, self.stuck) {
            (Some(reply), _) => [Some(reply.due()), None],
            (None, Some(since)) => [Some(since + self.connection.timeouts().body), None],
            (None, None) => [self.connection.owed().map(Owed::due), self.reply_due()],
        };
        dues.into_iter().flatten().filter(|due| self.rung.is_none_or(|rung| rung < *due)).min()
    }

    /// When the request that is being handled has to have its reply.
    fn reply_due(&self) -> Option<Instant> {
        self.stop.0.get().copied().filter(|_| self.connection.is_handling())
    }

    /// Has this connection's task woken when what is due next is due.
    fn watch(&mut self, context: &mut Context<'_>) {
        let Some(due) = self.due() else {
            return;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.into())));
        if timer.deadline() != due.into() {
            timer.as_mut().reset(due.into());
        }
        if timer.as_mut().poll(context).is_ready() {
            self.rung = Some(due);
            context.waker().wake_by_ref();
        }
    }

    fn is_stuck_for_good(&self) -> bool {
        self.stuck.is_some_and(|since| since.elapsed() >= self.connection.timeouts().body)
    }

    /// How the connection ends, if what the client did, or did not do, ends it now.
    fn end(&self) -> Option<End> {
        if self.is_stuck_for_good() {
            return Some(End::Silent);
        }
        if self.stuck.is_some() {
            return None;
        }
        if self.connection.is_handling() {
            return self.reply_due().filter(|due| Instant::now() >= *due).map(|_| End::Told(Problem::Overloaded));
        }
        match self.connection.owed()? {
            Owed::Head(_) if self.connection.is_overdue() => Some(End::Told(Problem::RequestTimeout)),
            // The framework has looked at all of it: it got nothing since.
            Owed::Head(_) if self.ahead == 0 && self.connection.unclaimed() >= LONGEST_HEAD => {
                Some(End::Told(Problem::Framework(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)))
            }
            Owed::Body(_) if self.connection.is_overdue() => Some(End::Silent),
            _ => None,
        }
    }

    fn reply_at_last(&mut self, problem: &Problem) {
        self.metrics.observe_incomplete(problem.status_code());
        self.last_reply = Some(LastReply::problem(problem));
    }

    fn poll_last_reply(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(reply) = &mut self.last_reply else {
            return Poll::Ready(Ok(()));
        };
        let sent = reply.poll_send(&mut self.stream, context);
        if sent.is_pending() {
            self.watch(context);
        }
        sent
    }
}

/// How a connection ends.
enum End {
    /// A reply is under way, or was given already.
    Silent,
    /// Nothing was replied yet.
    Told(Problem),
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Deadlines<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.last_reply.is_none() {
            match this.end() {
                None => {}
                Some(End::Silent) => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Some(End::Told(problem)) => this.reply_at_last(&problem),
            }
        }
        if this.last_reply.is_some() {
            ready!(this.poll_last_reply(context))?;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        // Stop reading from a client that does not read its replies.
        if this.stuck.is_some() || this.ahead >= PIECE {
            this.is_held_back = true;
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if buffer.remaining() <= PIECE {
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        } else {
            let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(PIECE));
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut piece))?;
            let read = piece.filled().len();
            buffer.advance(read);
        }
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        if !bytes.is_empty() {
            this.ahead += bytes.len();
            this.connection.bytes_come(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Deadlines<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.is_stuck_for_good() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let bare_error = bare_error(buffer).filter(|_| this.last_reply.is_none());
        if let Some((0, status)) = bare_error {
            this.reply_at_last(&Problem::from_status(status));
        }
        if this.last_reply.is_some() {
            ready!(this.poll_last_reply(context))?;
            return Poll::Ready(Ok(buffer.len()));
        }
        let buffer = bare_error.and_then(|(at, _)| buffer.get(..at)).unwrap_or(buffer);
        let written = Pin::new(&mut this.stream).poll_write(context, buffer);
        if written.is_pending() {
            this.stuck.get_or_insert_with(Instant::now);
            this.watch(context);
        } else if this.stuck.take().is_some() {
            this.connection.time_begins_anew();
        }
        written
    }

    /// The framework flushes whenever it has done what it could, and nothing is left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        this.connection.all_is_sent();
        if !this.connection.has_its_request() {
            this.ahead = 0;
            if std::mem::take(&mut this.is_held_back) {
                context.waker().wake_by_ref();
            }
        }
        this.watch(context);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
