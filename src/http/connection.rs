//! The state of a connection's current request and reply, as the stream and the middleware report it.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// The most unsent bytes of replies with which the next request of the client is still handled.
const MOST_UNSENT: usize = 64 * 1024;
/// The assumed size of a reply's head, in bytes.
const REPLY_HEAD: usize = 512;
/// The least time from a reply to the end of the connection, if the body of the request has not ended.
const LINGER: Duration = Duration::from_secs(2);

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the head of a request, counted from its first byte.
    pub head: Duration,
    /// For the body, counted from the end of the head. Also for accepting the next piece of a reply.
    pub body: Duration,
}

/// What the client must send next, and by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The head of a request, or the rest of it.
    Head(Instant),
    /// The rest of a body.
    Body(Instant),
}

impl Expected {
    pub(super) fn due(self) -> Instant {
        match self {
            Self::Head(due) | Self::Body(due) => due,
        }
    }
}

/// The state of one connection, shared by its stream and by the middleware that handles its requests.
pub struct Connection {
    timeouts: Timeouts,
    expected: Cell<Option<Expected>>,
    /// Whether a request has begun whose reply is not ready.
    handling: Cell<bool>,
    /// Bytes received since the last request began or its body ended.
    unclaimed: Cell<usize>,
    /// Bytes of finished replies that are not sent yet.
    unsent: Cell<usize>,
    /// Wakes the request that waits until they are sent.
    waiting: Cell<Option<Waker>>,
    /// The last bytes received.
    tail: Cell<[u8; 4]>,
    /// The last byte of the last request's body.
    end_of_body: Cell<Option<u8>>,
}

impl Connection {
    /// Creates the state of a new connection, which expects the head of a request.
    pub(super) fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            expected: Cell::new(Some(Expected::Head(Instant::now() + timeouts.head))),
            handling: Cell::new(false),
            unclaimed: Cell::new(0),
            unsent: Cell::new(0),
            waiting: Cell::new(None),
            tail: Cell::default(),
            end_of_body: Cell::new(None),
        }
    }

    /// Reports that the middleware has got a request, so its head is complete.
    pub fn request_begins(&self, has_body: bool) {
        self.handling.set(true);
        self.unclaimed.set(0);
        self.end_of_body.set(None);
        self.expected.set(has_body.then(|| Expected::Body(Instant::now() + self.timeouts.body)));
    }

    /// Reports that a piece of the request's body was read.
    pub fn body_piece_read(&self, piece: &[u8]) {
        if let Some(last) = piece.last() {
            self.end_of_body.set(Some(*last));
        }
    }

    /// Reports that the request's body was read to its end.
    pub fn body_ends(&self) {
        self.unclaimed.set(0);
        if self.expects_body() {
            self.expected.set(None);
        }
    }

    /// Returns whether the deadline of a body has passed.
    pub fn body_is_overdue(&self) -> bool {
        self.expects_body() && self.is_overdue()
    }

    /// Reports that the reply is ready. `length` is the length of its body.
    pub fn reply_begins(&self, length: usize) {
        self.handling.set(false);
        self.unsent.set(self.unsent.get().saturating_add(length).saturating_add(REPLY_HEAD));
        if let Some(Expected::Body(due)) = self.expected.get() {
            self.expected.set(Some(Expected::Body(due.max(Instant::now() + LINGER))));
        }
    }

    /// Waits until most of the earlier replies are sent. This bounds the memory for a client that sends requests
    /// without reading replies.
    pub async fn wait_for_room(&self) {
        poll_fn(|context| {
            if self.unsent.get() <= MOST_UNSENT {
                return Poll::Ready(());
            }
            self.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Reports bytes that the stream passes on to the framework.
    pub(super) fn bytes_received(&self, bytes: &[u8]) {
        self.unclaimed.set(self.unclaimed.get().saturating_add(bytes.len()));
        let mut tail = self.tail.get();
        for byte in bytes.iter().skip(bytes.len().saturating_sub(tail.len())) {
            tail.rotate_left(1);
            tail[3] = *byte;
        }
        self.tail.set(tail);
        if self.is_idle() {
            self.expect_head();
        }
    }

    /// Reports that everything the framework had to send was sent.
    pub(super) fn all_sent(&self) {
        self.unsent.set(0);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
        if self.is_idle() && !self.ends_with_request() {
            // The beginning of another head arrived together with the last request.
            self.expect_head();
        }
    }

    /// Restarts the deadline, because nothing was read while the client accepted no reply.
    pub(super) fn restart_deadline(&self) {
        let now = Instant::now();
        self.expected.set(self.expected.get().map(|expected| match expected {
            Expected::Head(_) => Expected::Head(now + self.timeouts.head),
            Expected::Body(_) => Expected::Body(now + self.timeouts.body),
        }));
    }

    fn expect_head(&self) {
        self.expected.set(Some(Expected::Head(Instant::now() + self.timeouts.head)));
    }

    fn is_idle(&self) -> bool {
        self.expected.get().is_none() && !self.handling.get()
    }

    /// Returns whether the last received byte seems to end the last request. Without parsing, it checks for an empty
    /// line and for the last byte of the body.
    fn ends_with_request(&self) -> bool {
        let tail = self.tail.get();
        tail.ends_with(b"\n\r\n") || tail.ends_with(b"\n\n") || self.end_of_body.get() == Some(tail[3])
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(super) fn expected(&self) -> Option<Expected> {
        self.expected.get()
    }

    fn expects_body(&self) -> bool {
        matches!(self.expected.get(), Some(Expected::Body(_)))
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.expected.get().is_some_and(|expected| Instant::now() >= expected.due())
    }

    pub(super) fn is_handling(&self) -> bool {
        self.handling.get()
    }

    /// Returns whether a complete request is being handled, so no more bytes are needed now.
    pub(super) fn has_complete_request(&self) -> bool {
        self.handling.get() && self.expected.get().is_none()
    }

    pub(super) fn unclaimed(&self) -> usize {
        self.unclaimed.get()
    }
}
