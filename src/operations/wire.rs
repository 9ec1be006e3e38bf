//! Bodies for the errors that the framework answers by itself.
//!
//! A head that never ends (408) or that is no HTTP (400) is answered inside the framework's dispatcher, with an empty
//! body that no middleware sees. Such an answer is recognised as it leaves, and a problem leaves instead.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::http::header::HttpDate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::edge::request_id;
use crate::problem::Problem;

/// A connection between the client and the framework.
pub struct Wire<S> {
    stream: S,
    replacement: Option<Replacement>,
}

/// What leaves instead of a bare error.
struct Replacement {
    bytes: Vec<u8>,
    written: usize,
    /// The length of what is replaced, for the framework to count.
    replaces: usize,
}

impl<S> Wire<S> {
    /// Wraps an accepted stream.
    pub fn new(stream: S) -> Self {
        Self { stream, replacement: None }
    }
}

/// The status of an answer that the dispatcher wrote by itself: an error, no body, none of our headers.
fn bare_error(answer: &[u8]) -> Option<StatusCode> {
    let code = answer.strip_prefix(b"HTTP/1.1 4")?.get(..2)?;
    let text = std::str::from_utf8(answer).ok()?;
    let bare = text.ends_with("\r\n\r\n") && text.contains("content-length: 0\r\n") && !text.contains("x-request-id");
    let code = 400 + std::str::from_utf8(code).ok()?.parse::<u16>().ok()?;
    StatusCode::from_u16(code).ok().filter(|_| bare)
}

/// A problem as `operations::edge` would tell it, on a connection that closes.
fn problem(status: StatusCode) -> Vec<u8> {
    let (request_id, problem) = (request_id(None), Problem::from_status(status));
    log::info!(
        target: "clientele::access",
        route = "-",
        status = status.as_u16(),
        request_id = request_id.as_str();
        "no request"
    );
    let body = problem.body(&request_id);
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-length: {}\r\nconnection: close\r\nx-content-type-options: nosniff\r\n\
         x-request-id: {request_id}\r\ndate: {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
        HttpDate::from(SystemTime::now()),
    );
    let mut answer = head.into_bytes();
    for (name, value) in problem.fields() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    answer
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.replacement.is_none()
            && let Some(status) = bare_error(buffer)
        {
            this.replacement = Some(Replacement { bytes: problem(status), written: 0, replaces: buffer.len() });
        }
        let Some(Replacement { bytes, written, replaces }) = &mut this.replacement else {
            return Pin::new(&mut this.stream).poll_write(context, buffer);
        };
        while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut this.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Ok(0)),
                more => *written += more,
            }
        }
        let replaces = *replaces;
        this.replacement = None;
        Poll::Ready(Ok(replaces))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dispatcher_s_own_answers_are_replaced() {
        let bare = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        assert_eq!(bare_error(bare), Some(StatusCode::REQUEST_TIMEOUT));
        for other in [
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
            "",
        ] {
            assert_eq!(bare_error(other.as_bytes()), None, "{other}");
        }
    }
}
