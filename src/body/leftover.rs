//! What a refusal left unread of a body.
//!
//! A refusal is decided before the body is read, and an answer to a body that is still on its way costs the
//! connection: the framework must close it. Most bodies have arrived with their head, so they are read after all,
//! and the client keeps its connection. A service that has more to do than it can would otherwise spend more on new
//! connections than on refusals.

use std::cell::RefCell;
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

use super::LONGEST;

/// How long a refused client may take to send the rest; then it is answered all the same, and the connection closes.
const WAIT: Duration = Duration::from_secs(1);

/// The body of one request, shared with whoever reads it.
#[derive(Clone)]
pub(crate) struct Leftover(Rc<RefCell<Shared>>);

struct Shared {
    payload: Payload,
    ended: bool,
}

impl Leftover {
    /// Keeps a hand on the request's body, if it has one of a length that would be read.
    pub(crate) fn of(request: &mut ServiceRequest) -> Option<Self> {
        let length = request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse::<usize>().ok()?;
        if !(1..=LONGEST).contains(&length) {
            return None;
        }
        let leftover = Self(Rc::new(RefCell::new(Shared { payload: request.take_payload(), ended: false })));
        request.set_payload(Payload::Stream { payload: Box::pin(leftover.clone()) });
        Some(leftover)
    }

    /// Reads what nobody read.
    pub(crate) async fn read(mut self) {
        if self.0.borrow().ended {
            return;
        }
        let rest = async { while self.next().await.is_some_and(|chunk| chunk.is_ok()) {} };
        if actix_rt::time::timeout(WAIT, rest).await.is_err() {
            log::debug!("a refused body did not arrive");
        }
    }
}

impl Stream for Leftover {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut shared = self.0.borrow_mut();
        let polled = shared.payload.poll_next_unpin(context);
        shared.ended = matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }
}
