//! The last reply on a connection, written without the framework: a problem for a failure that no middleware sees.
//!
//! The framework replies to a head that is not HTTP by itself, with an empty body (400). The stream below it notices a
//! head that is late (408) or too long (431), and a request that has no reply when the service must stop (503).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use actix_web::ResponseError;
use actix_web::http::StatusCode;
use actix_web::http::header::HttpDate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::problem::Problem;
use super::respond::request_id;

/// How long the client may take to read the reply. Meanwhile, what it still sends is read and dropped: if a socket
/// closes with unread bytes, the client may lose the reply (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);

/// A reply after which the connection closes.
pub(super) struct LastReply {
    bytes: Vec<u8>,
    sent: usize,
    is_shut_down: bool,
    due: Instant,
}

impl LastReply {
    /// Creates a reply with a problem, as `http::respond` would.
    pub(super) fn problem(problem: &Problem) -> Self {
        let request_id = request_id(None);
        log::info!(
            target: "clientele::access",
            route = "-",
            status = problem.status_code().as_u16(),
            request_id = request_id.as_str();
            "no request"
        );
        let bytes = rendered(problem, &request_id);
        Self { bytes, sent: 0, is_shut_down: false, due: Instant::now() + LINGER }
    }

    /// Returns when the connection closes in any case.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Sends the reply, then waits for the client to close.
    ///
    /// # Errors
    /// The stream's errors, or `TimedOut`.
    pub(super) fn poll_send<S>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if Instant::now() >= self.due {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        if !self.is_shut_down {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
            self.is_shut_down = true;
        }
        let mut scratch = [0; 4096];
        loop {
            let mut unread = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut unread))?;
            if unread.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn rendered(problem: &Problem, request_id: &str) -> Vec<u8> {
    let status = problem.status_code();
    let body = problem.body(request_id);
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-length: {}\r\nconnection: close\r\nx-content-type-options: nosniff\r\n\
         x-request-id: {request_id}\r\ndate: {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
        HttpDate::from(SystemTime::now()),
    );
    let mut reply = head.into_bytes();
    for (name, value) in problem.fields() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            reply.extend_from_slice(part);
        }
    }
    reply.extend_from_slice(b"\r\n");
    reply.extend_from_slice(&body);
    reply
}

/// Finds an error reply that the framework made by itself, which has no body and none of our headers. Returns its
/// offset and status. It can only be the last reply in `sent`.
pub(super) fn bare_error(sent: &[u8]) -> Option<(usize, StatusCode)> {
    const BEGIN: &[u8] = b"HTTP/1.1 4";
    if !sent.ends_with(b"\r\n\r\n") {
        return None;
    }
    let at = sent.windows(BEGIN.len()).rposition(|window| window == BEGIN)?;
    let text = std::str::from_utf8(sent.get(at..)?).ok()?;
    let is_bare = text.contains("content-length: 0\r\n") && !text.contains("x-request-id");
    let status = StatusCode::from_bytes(text.get(9..12)?.as_bytes()).ok()?;
    is_bare.then_some((at, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const OURS: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-request-id: 1\r\n\r\n{}";

    #[test]
    fn the_framework_s_own_reply_is_found_behind_others() {
        assert_eq!(bare_error(BARE.as_bytes()), Some((0, StatusCode::BAD_REQUEST)));
        let both = format!("{OURS}{BARE}");
        assert_eq!(bare_error(both.as_bytes()), Some((OURS.len(), StatusCode::BAD_REQUEST)));
    }

    #[test]
    fn other_replies_are_no_bare_errors() {
        for other in [
            "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\n\r\n\r\n",
            "HTTP/1.1 4",
            OURS,
            "",
        ] {
            assert_eq!(bare_error(other.as_bytes()), None, "{other}");
        }
    }
}
