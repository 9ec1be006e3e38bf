//! How far the exchange on one connection is: what the stream and the middleware know of it.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Bytes of replies that may wait to be sent before the next request of the same client is handled.
const MOST_UNSENT: usize = 64 * 1024;
/// What the head of a reply counts for, in bytes.
const REPLY_HEAD: usize = 512;
/// The least time in which a client can read a reply that came before its body had ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the head of a request, from its first byte.
    pub head: Duration,
    /// For its body, from the end of the head; and for taking a piece of a reply.
    pub body: Duration,
}

/// What the client has to finish, and by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// A head of which nothing, or not everything, has come.
    Head(Instant),
    /// The rest of a body.
    Body(Instant),
}

impl Owed {
    pub(super) fn due(self) -> Instant {
        match self {
            Self::Head(due) | Self::Body(due) => due,
        }
    }
}

/// The state of one connection, shared by its stream and by the middleware that handles its requests.
pub struct Connection {
    timeouts: Timeouts,
    owed: Cell<Option<Owed>>,
    /// A request has begun whose reply has not been made.
    handling: Cell<bool>,
    /// Bytes that came since a request last began or a body ended.
    unclaimed: Cell<usize>,
    /// Bytes of replies that were made and not sent.
    unsent: Cell<usize>,
    /// The request that waits for them to be sent.
    waiting: Cell<Option<Waker>>,
    /// The last bytes that came.
    tail: Cell<[u8; 4]>,
    /// The last byte of the last request's body.
    end_of_body: Cell<Option<u8>>,
}

impl Connection {
    /// A new connection owes a head at once.
    pub(super) fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            owed: Cell::new(Some(Owed::Head(Instant::now() + timeouts.head))),
            handling: Cell::new(false),
            unclaimed: Cell::new(0),
            unsent: Cell::new(0),
            waiting: Cell::new(None),
            tail: Cell::default(),
            end_of_body: Cell::new(None),
        }
    }

    /// The middleware has a request: its head is complete.
    pub fn request_begins(&self, has_body: bool) {
        self.handling.set(true);
        self.unclaimed.set(0);
        self.end_of_body.set(None);
        self.owed.set(has_body.then(|| Owed::Body(Instant::now() + self.timeouts.body)));
    }

    /// A piece of the request's body was read.
    pub fn body_goes_on(&self, piece: &[u8]) {
        if let Some(last) = piece.last() {
            self.end_of_body.set(Some(*last));
        }
    }

    /// The request's body was read to its end.
    pub fn body_ends(&self) {
        self.unclaimed.set(0);
        if self.owes_body() {
            self.owed.set(None);
        }
    }

    /// Whether the rest of a body should have come by now.
    pub fn body_is_overdue(&self) -> bool {
        self.owes_body() && self.is_overdue()
    }

    /// The reply to the request is made; `length` is that of its body.
    pub fn reply_begins(&self, length: usize) {
        self.handling.set(false);
        self.unsent.set(self.unsent.get().saturating_add(length).saturating_add(REPLY_HEAD));
        if let Some(Owed::Body(due)) = self.owed.get() {
            self.owed.set(Some(Owed::Body(due.max(Instant::now() + FAREWELL))));
        }
    }

    /// Waits while too much of earlier replies has not been sent: of a client that asks without reading, no more
    /// than this is kept.
    pub async fn has_room(&self) {
        poll_fn(|context| {
            if self.unsent.get() <= MOST_UNSENT {
                return Poll::Ready(());
            }
            self.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// What the stream passes on to the framework.
    pub(super) fn bytes_come(&self, bytes: &[u8]) {
        self.unclaimed.set(self.unclaimed.get().saturating_add(bytes.len()));
        let mut tail = self.tail.get();
        for byte in bytes.iter().skip(bytes.len().saturating_sub(tail.len())) {
            tail.rotate_left(1);
            tail[3] = *byte;
        }
        self.tail.set(tail);
        if self.is_idle() {
            self.owe_head();
        }
    }

    /// Everything that the framework had to send was sent.
    pub(super) fn all_is_sent(&self) {
        self.unsent.set(0);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
        if self.is_idle() && !self.ends_with_request() {
            // The begin of another head came together with the last request.
            self.owe_head();
        }
    }

    /// Nothing was read while the client took no replies.
    pub(super) fn time_begins_anew(&self) {
        let now = Instant::now();
        self.owed.set(self.owed.get().map(|owed| match owed {
            Owed::Head(_) => Owed::Head(now + self.timeouts.head),
            Owed::Body(_) => Owed::Body(now + self.timeouts.body),
        }));
    }

    fn owe_head(&self) {
        self.owed.set(Some(Owed::Head(Instant::now() + self.timeouts.head)));
    }

    fn is_idle(&self) -> bool {
        self.owed.get().is_none() && !self.handling.get()
    }

    /// Whether the last request ended with the last byte that came, as far as that can be told without parsing: with
    /// an empty line, or with its body.
    fn ends_with_request(&self) -> bool {
        let tail = self.tail.get();
        tail.ends_with(b"\n\r\n") || tail.ends_with(b"\n\n") || self.end_of_body.get() == Some(tail[3])
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(super) fn owed(&self) -> Option<Owed> {
        self.owed.get()
    }

    fn owes_body(&self) -> bool {
        matches!(self.owed.get(), Some(Owed::Body(_)))
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.owed.get().is_some_and(|owed| Instant::now() >= owed.due())
    }

    pub(super) fn is_handling(&self) -> bool {
        self.handling.get()
    }

    /// Whether a request is being handled of which nothing is missing: there is no use for more bytes now.
    pub(super) fn has_its_request(&self) -> bool {
        self.handling.get() && self.owed.get().is_none()
    }

    pub(super) fn unclaimed(&self) -> usize {
        self.unclaimed.get()
    }
}
