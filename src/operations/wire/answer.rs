//! Answers that are written past the framework.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use actix_web::ResponseError;
use tokio::io::AsyncWrite;

use crate::problem::{self, Problem};

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
        let mut head = format!(
            "HTTP/1.1 {} {}\r\ncontent-length: {}\r\ncontent-type: {}\r\ncache-control: no-store\r\n\
             x-content-type-options: nosniff\r\nx-request-id: {request_id}\r\ndate: {}\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
            body.len(),
            problem::MEDIA_TYPE,
            httpdate::HttpDate::from(SystemTime::now()),
        );
        if let Some(seconds) = problem.retry_after() {
            head.push_str(&format!("retry-after: {seconds}\r\n"));
        }
        head.push_str(if closes { "connection: close\r\n\r\n" } else { "\r\n" });
        let mut bytes = head.into_bytes();
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
