//! The stream below HTTP: what is answered past the framework.
//!
//! - A head that never ends (408) or that is no HTTP (400) is answered inside the framework's dispatcher, with an
//!   empty body that no middleware sees. Here such an answer is recognised as it leaves and replaced by a problem.
//! - While a lane is full, most requests for it are refused here, before the framework sees them: under overload most of
//!   the work is refusals, and this spares a quarter of each (`docs/decisions/0014-refused-on-the-wire.md`).

mod answer;
mod framing;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::answer::Answer;
use self::framing::Framing;
pub use self::framing::Request;
use super::edge::request_id;
use crate::problem::Problem;

/// Yields the route of a request that is to be refused now.
pub type Refuses = dyn Fn(&Request<'_>) -> Option<&'static str>;

/// What is refused before the framework sees it.
pub struct Shedding {
    /// Which requests are.
    pub refuses: Box<Refuses>,
    /// How long the framework keeps a connection on which it sees nothing.
    pub keep_alive: Duration,
}

/// A connection between the client and the framework.
pub struct Wire<S> {
    stream: S,
    framing: Framing,
    shedding: Rc<Shedding>,
    /// When the framework last received something.
    passed_on: Option<Instant>,
    /// A refusal on its way.
    refusal: Option<Answer>,
    replacement: Option<Replacement>,
}

/// What leaves instead of a bare error.
struct Replacement {
    answer: Answer,
    /// The length of what is replaced, for the framework to count.
    replaces: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Wraps an accepted stream.
    pub fn new(stream: S, shedding: Rc<Shedding>) -> Self {
        Self { stream, framing: Framing::Between, shedding, passed_on: None, refusal: None, replacement: None }
    }

    /// What to answer to what arrived, if the framework is not to see it.
    fn refuse(&mut self, arrived: &[u8]) -> Option<Answer> {
        let request = self.framing.arrives(arrived)?;
        let route = (self.shedding.refuses)(&request)?;
        // The framework closes a connection on which it sees no first request, or nothing for long.
        if self.passed_on?.elapsed() >= self.shedding.keep_alive / 2 {
            return None;
        }
        self.framing.was_refused();
        Some(refusal(&request, route))
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(refusal) = &mut self.refusal {
            ready!(refusal.poll_send(&mut self.stream, context))?;
            self.refusal = None;
        }
        Poll::Ready(Ok(()))
    }
}

fn refusal(request: &Request<'_>, route: &str) -> Answer {
    let started = Instant::now();
    let (problem, request_id) = (Problem::Overloaded, request_id(request.request_id));
    let answer = Answer::problem(&problem, &request_id, false);
    log::info!(
        target: "clientele::access",
        method = request.method,
        route,
        status = StatusCode::SERVICE_UNAVAILABLE.as_u16(),
        duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        request_id = request_id.as_str();
        "request"
    );
    answer
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
    let request_id = request_id(None);
    let answer = Answer::problem(&Problem::from_status(status), &request_id, true);
    log::info!(
        target: "clientele::access",
        route = "-",
        status = status.as_u16(),
        request_id = request_id.as_str();
        "no request"
    );
    Replacement { answer, replaces }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            // Who does not read answers is not read from either.
            ready!(this.poll_refusal(context))?;
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            let arrived = buffer.filled().get(before..).unwrap_or_default();
            if arrived.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.refusal = this.refuse(arrived);
            if this.refusal.is_none() {
                this.passed_on = Some(Instant::now());
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_refusal(context))?;
        if this.replacement.is_none()
            && let Some(status) = bare_error(buffer)
        {
            this.framing.lose();
            this.replacement = Some(with_body(status, buffer.len()));
        }
        let Some(Replacement { answer, replaces }) = &mut this.replacement else {
            let written = ready!(Pin::new(&mut this.stream).poll_write(context, buffer))?;
            this.framing.leaves(buffer, written);
            return Poll::Ready(Ok(written));
        };
        ready!(answer.poll_send(&mut this.stream, context))?;
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const PUT: &[u8] = b"PUT /a HTTP/1.1\r\nHost: a\r\ncontent-length: 2\r\n\r\n{}";
    const GET: &[u8] = b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    /// Ends of a connection that holds so many bytes on their way; all but GETs are to be refused.
    fn connection(bytes: usize, keep_alive: Duration) -> (DuplexStream, Wire<DuplexStream>) {
        let (client, server) = duplex(bytes);
        let refuses = Box::new(|request: &Request<'_>| (request.method != "GET").then_some("/a"));
        (client, Wire::new(server, Rc::new(Shedding { refuses, keep_alive })))
    }

    /// What the framework reads next.
    async fn passed_on(wire: &mut Wire<DuplexStream>) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 1024];
        let read = wire.read(&mut buffer).await?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// Has the framework see and answer a request.
    async fn exchange(client: &mut DuplexStream, wire: &mut Wire<DuplexStream>, request: &[u8]) -> io::Result<()> {
        client.write_all(request).await?;
        assert_eq!(passed_on(wire).await?, request);
        wire.write_all(OK).await?;
        assert_eq!(answer(client, OK.len()).await?, OK);
        Ok(())
    }

    async fn answer(client: &mut DuplexStream, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    #[actix_rt::test]
    async fn the_framework_sees_the_first_request_and_what_is_not_refused() -> io::Result<()> {
        let (mut client, mut wire) = connection(4096, Duration::from_secs(60));
        exchange(&mut client, &mut wire, PUT).await?;
        let asks = async {
            for _ in 0..3 {
                client.write_all(PUT).await?;
                assert_eq!(answer(&mut client, 12).await?, b"HTTP/1.1 503");
                let mut rest = [0; 1024];
                let read = client.read(&mut rest).await?;
                assert_eq!(rest.get(read - 1), Some(&b'}'));
            }
            client.write_all(GET).await
        };
        let (seen, asked) = futures_util::future::join(passed_on(&mut wire), asks).await;
        asked?;
        assert_eq!(seen?, GET);
        Ok(())
    }

    #[actix_rt::test]
    async fn a_client_that_does_not_read_is_not_read_from_and_gets_every_answer() -> io::Result<()> {
        let (mut client, mut wire) = connection(64, Duration::from_secs(60));
        exchange(&mut client, &mut wire, PUT).await?;
        client.write_all(PUT).await?;
        let early = actix_rt::time::timeout(Duration::from_millis(50), passed_on(&mut wire)).await;
        assert!(early.is_err(), "{early:?}");
        // The refusal is longer than what the connection holds, and the next request waits behind it.
        client.write_all(GET).await?;
        let early = actix_rt::time::timeout(Duration::from_millis(50), passed_on(&mut wire)).await;
        assert!(early.is_err(), "{early:?}");
        let reads = async {
            let mut text = String::new();
            while !text.ends_with('}') {
                let mut chunk = [0; 64];
                let read = client.read(&mut chunk).await?;
                text.push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
            io::Result::Ok(text)
        };
        let (seen, text) = futures_util::future::join(passed_on(&mut wire), reads).await;
        assert_eq!(seen?, GET);
        assert!(text?.contains(r#""code":"overloaded""#));
        Ok(())
    }

    #[actix_rt::test]
    async fn the_framework_sees_what_would_otherwise_look_idle_to_it() -> io::Result<()> {
        let (mut client, mut wire) = connection(4096, Duration::from_millis(100));
        exchange(&mut client, &mut wire, GET).await?;
        actix_rt::time::sleep(Duration::from_millis(60)).await;
        exchange(&mut client, &mut wire, PUT).await
    }

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
