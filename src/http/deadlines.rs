//! The stream below the framework. It enforces deadlines for clients, and reads only as much as the framework handles.

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

use super::connection::{Connection, Expected, Timeouts};
use super::last_reply::{LastReply, bare_error};
use super::problem::Problem;
use crate::metrics::{Open, Route};

/// The longest head of a request, in bytes. After each piece, the framework parses the head from its start.
const LONGEST_HEAD: usize = 16 * 1024;
/// The most bytes that the framework gets in one read, and the bytes after which it gets no more until it has handled
/// some. So it buffers at most twice as much of requests that have not begun.
const PIECE: usize = 8 * 1024;

/// When the service stops. Requests that have no reply by then get 503.
#[derive(Default)]
pub struct Stop(OnceLock<Instant>);

impl Stop {
    /// Sets the time. Later calls have no effect. The framework's graceful shutdown wakes the connections.
    pub fn at(&self, due: Instant) {
        self.0.get_or_init(|| due);
    }
}

/// A stream with deadlines for what the client must do next: finish a head, finish a body, or accept a reply.
pub struct Deadlines<S> {
    stream: S,
    connection: Rc<Connection>,
    stop: Arc<Stop>,
    /// Counts the replies that no middleware sees.
    metrics: Route,
    _counted: Open,
    /// Since when the client has accepted nothing more of a reply.
    blocked_since: Option<Instant>,
    /// Bytes that the framework got since it last could handle some.
    unhandled: usize,
    /// Whether a read was refused because the framework must handle bytes first.
    read_paused: bool,
    last_reply: Option<LastReply>,
    /// Created when first needed, because most clients never make it necessary.
    timer: Option<Pin<Box<Sleep>>>,
    /// The latest deadline for which the timer has fired.
    fired: Option<Instant>,
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
            blocked_since: None,
            unhandled: 0,
            read_paused: false,
            last_reply: None,
            timer: None,
            fired: None,
        }
    }

    /// Returns the state that this stream shares with the middleware.
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Returns the next deadline for which the timer has not fired.
    fn due(&self) -> Option<Instant> {
        let deadlines = match (&self.last_reply, self.blocked_since) {
            (Some(reply), _) => [Some(reply.due()), None],
            (None, Some(since)) => [Some(since + self.connection.timeouts().body), None],
            (None, None) => [self.connection.expected().map(Expected::due), self.reply_due()],
        };
        deadlines.into_iter().flatten().filter(|due| self.fired.is_none_or(|fired| fired < *due)).min()
    }

    /// Returns when the current request must have its reply.
    fn reply_due(&self) -> Option<Instant> {
        self.stop.0.get().copied().filter(|_| self.connection.is_handling())
    }

    /// Wakes this connection's task at the next deadline.
    fn start_timer(&mut self, context: &mut Context<'_>) {
        let Some(due) = self.due() else {
            return;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.into())));
        if timer.deadline() != due.into() {
            timer.as_mut().reset(due.into());
        }
        if timer.as_mut().poll(context).is_ready() {
            self.fired = Some(due);
            context.waker().wake_by_ref();
        }
    }

    fn write_timed_out(&self) -> bool {
        self.blocked_since.is_some_and(|since| since.elapsed() >= self.connection.timeouts().body)
    }

    /// Returns how the connection must end now, if a deadline has passed or a head is too long.
    fn end(&self) -> Option<End> {
        if self.write_timed_out() {
            return Some(End::Close);
        }
        if self.blocked_since.is_some() {
            return None;
        }
        if self.connection.is_handling() {
            return self.reply_due().filter(|due| Instant::now() >= *due).map(|_| End::Reply(Problem::Overloaded));
        }
        match self.connection.expected()? {
            Expected::Head(_) if self.connection.is_overdue() => Some(End::Reply(Problem::RequestTimeout)),
            // The framework has parsed all of it, because it got nothing since.
            Expected::Head(_) if self.unhandled == 0 && self.connection.unclaimed() >= LONGEST_HEAD => {
                Some(End::Reply(Problem::Framework(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)))
            }
            Expected::Body(_) if self.connection.is_overdue() => Some(End::Close),
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
            self.start_timer(context);
        }
        sent
    }
}

/// How a connection ends.
enum End {
    /// Without a reply, because one is being sent or was sent already.
    Close,
    /// With a reply.
    Reply(Problem),
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
                Some(End::Close) => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Some(End::Reply(problem)) => this.reply_at_last(&problem),
            }
        }
        if this.last_reply.is_some() {
            ready!(this.poll_last_reply(context))?;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        // Stop reading from a client that does not read its replies.
        if this.blocked_since.is_some() || this.unhandled >= PIECE {
            this.read_paused = true;
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
            this.unhandled += bytes.len();
            this.connection.bytes_received(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Deadlines<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.write_timed_out() {
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
            this.blocked_since.get_or_insert_with(Instant::now);
            this.start_timer(context);
        } else if this.blocked_since.take().is_some() {
            this.connection.restart_deadline();
        }
        written
    }

    /// The framework flushes when it has handled what it could and has written everything.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        this.connection.all_sent();
        if !this.connection.has_complete_request() {
            this.unhandled = 0;
            if std::mem::take(&mut this.read_paused) {
                context.waker().wake_by_ref();
            }
        }
        this.start_timer(context);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
