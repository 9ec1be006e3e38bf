//! Reads request bodies, including the rest that a handler left unread.
//!
//! Many requests are refused before the body is read. The framework closes a connection with an unread body. Most
//! bodies have arrived together with the head, so reading them lets the client keep its connection. Otherwise an
//! overloaded service would spend more on new connections than on refusing requests.

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
/// How long a refused client may take to send the rest. After that it gets the reply and the connection closes.
const WAIT: Duration = Duration::from_secs(1);

/// The body of one request, shared by the handler's extractor and by the middleware, which reads the rest.
#[derive(Clone)]
pub(crate) struct RequestBody(Rc<RefCell<Shared>>);

struct Shared {
    payload: Payload,
    /// The `Content-Length`, if there is one. Chunked bodies have none.
    length: Option<usize>,
    connection: Rc<Connection>,
    ended: bool,
}

impl RequestBody {
    /// Shares the body of a request, if it has one.
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

    /// Reads the rest of the body unless it is too long. Returns whether the body was read to its end.
    pub(crate) async fn finish(mut self) -> bool {
        let may_fit = {
            let shared = self.0.borrow();
            !shared.ended && shared.length.is_none_or(|length| length <= LONGEST_BODY)
        };
        if may_fit {
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
                log::debug!("the body of a refused request did not arrive in time");
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
            Poll::Ready(Some(Ok(piece))) => shared.connection.body_piece_read(piece),
            Poll::Ready(None) => {
                shared.ended = true;
                shared.connection.body_ends();
            }
            // The connection's timer wakes the task that polls this stream.
            Poll::Pending if shared.connection.body_is_overdue() => {
                return Poll::Ready(Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))));
            }
            _ => {}
        }
        polled
    }
}
