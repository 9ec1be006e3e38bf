//! Answers that are written past the framework.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use actix_web::ResponseError;
use tokio::io::AsyncWrite;

use crate::problem::Problem;

/// Bytes on their way to the client.
pub(super) struct Answer {
    bytes: Vec<u8>,
    written: usize,
}

impl Answer {
    /// A problem as `operations::edge` would tell it.
    pub(super) fn problem(problem: &Problem, request_id: &str, closes: bool) -> Self {
        let status = problem.status_code();
        let body = problem.body(request_id);
        let head = format!(
            "HTTP/1.1 {} {}\r\ncontent-length: {}\r\nx-content-type-options: nosniff\r\nx-request-id: {request_id}\r\n\
             date: {}\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
            body.len(),
            httpdate::HttpDate::from(SystemTime::now()),
        );
        let mut bytes = head.into_bytes();
        for (name, value) in problem.fields() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(if closes { b"connection: close\r\n\r\n" } else { b"\r\n" });
        bytes.extend_from_slice(&body);
        Self { bytes, written: 0 }
    }

    /// Writes what has not left.
    ///
    /// # Errors
    /// The stream's.
    pub(super) fn poll_send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        Poll::Ready(Ok(()))
    }
}
