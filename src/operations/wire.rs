//! The stream below HTTP: gives a body to the answers that the framework writes before there is a request.
//!
//! A head that never ends (408) or that is no HTTP (400) is answered inside the framework's dispatcher, with an
//! empty body that no middleware sees. Here such an answer is recognised as it leaves and replaced by a problem.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_rt::net::TcpStream;
use actix_web::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::problem::{self, Problem};

/// A TCP stream whose bare error answers get a body.
pub struct Wire {
    stream: TcpStream,
    replacement: Option<Replacement>,
}

struct Replacement {
    bytes: Vec<u8>,
    written: usize,
    /// The length of what is replaced, for the framework to count.
    replaces: usize,
}

impl Wire {
    /// Wraps an accepted stream.
    pub fn new(stream: TcpStream) -> Self {
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

fn with_body(status: StatusCode, replaces: usize) -> Replacement {
    let request_id = format!("{:032x}", rand::random::<u128>());
    let problem = Problem::from_status(status);
    let body = problem.body(&request_id);
    let reason = status.canonical_reason().unwrap_or("Error");
    let mut bytes = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-length: {}\r\ncontent-type: {}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        body.len(),
        problem::MEDIA_TYPE,
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    log::info!(
        target: "clientele::access",
        route = "-",
        status = status.as_u16(),
        request_id = request_id.as_str();
        "no request"
    );
    Replacement { bytes, written: 0, replaces }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.replacement.is_none() {
            match bare_error(buffer) {
                None => return Pin::new(&mut this.stream).poll_write(context, buffer),
                Some(status) => this.replacement = Some(with_body(status, buffer.len())),
            }
        }
        while let Some(replacement) = this.replacement.as_mut() {
            let rest = replacement.bytes.get(replacement.written..).unwrap_or_default();
            if rest.is_empty() {
                let replaces = replacement.replaces;
                this.replacement = None;
                return Poll::Ready(Ok(replaces));
            }
            match Pin::new(&mut this.stream).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(0)),
                Poll::Ready(Ok(written)) => replacement.written += written,
                other => return other,
            }
        }
        Poll::Pending
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
