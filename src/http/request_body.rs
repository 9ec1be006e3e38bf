//! A request's body as it is read, and what a reply left unread of it.
//!
//! A refusal is decided before the body is read, and a reply to a body that is still on its way costs the connection:
//! the framework must close it. Most bodies have arrived with their head, so they are read after all, and the client
//! keeps its connection. A service that has more to do than it can would otherwise spend more on new connections than
//! on refusals.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};

use super::connection::Connection;

/// The longest body, in bytes.
pub const LONGEST_BODY: usize = 64 * 1024;
/// How long a refused client may take to send the rest; then it is answered all the same, and the connection closes.
const WAIT: Duration = Duration::from_secs(1);

/// The body of one request, shared by whoever reads it and by the middleware, which reads the rest.
#[derive(Clone)]
pub(crate) struct RequestBody(Rc<RefCell<Shared>>);

struct Shared {
    payload: Payload,
    /// As the request says; none for a body in chunks.
    length: Option<usize>,
    connection: Rc<Connection>,
    ended: bool,
}

impl RequestBody {
    /// Keeps a hand on the request's body, if it has one.
    pub(crate) fn of(request: &mut ServiceRequest, connection: &Rc<Connection>) -> Option<Self> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let shared = Shared { payload, length, connection: Rc::clone(connection), ended: false };
        let body = Self(Rc::new(RefCell::new(shared)));
        request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
        Some(body)
    }

    /// Reads what nobody read, unless that is more than a body may have; whether the body has ended.
    pub(crate) async fn finish(mut self) -> bool {
        let is_worth_it = {
            let shared = self.0.borrow();
            !shared.ended && shared.length.is_none_or(|length| length <= LONGEST_BODY)
        };
        if is_worth_it {
            let rest = async {
                let mut read = 0;
                while let Some(Ok(piece)) = self.next().await {
                    read += piece.len();
                    if read > LONGEST_BODY {
                        break;
                    }
                }
            };
            if actix_rt::time::timeout(WAIT, rest).await.is_err() {
                log::debug!("a refused body did not arrive");
            }
        }
        self.0.borrow().ended
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let shared = &mut *self.0.borrow_mut();
        let polled = shared.payload.poll_next_unpin(context);
        match &polled {
            Poll::Ready(Some(Ok(piece))) => shared.connection.body_goes_on(piece),
            Poll::Ready(None) => {
                shared.ended = true;
                shared.connection.body_ends();
            }
            // The connection's timer wakes its task, and that polls this.
            Poll::Pending if shared.connection.body_is_overdue() => {
                return Poll::Ready(Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))));
            }
            _ => {}
        }
        polled
    }
}
