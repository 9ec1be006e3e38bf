//! Requests and replies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::web::Bytes;
use awc::ClientRequest;
use awc::http::StatusCode;
use awc::http::header::HeaderMap;
use serde_json::Value;

use super::exchange;

/// Longer than any test takes: a reply that never comes ends a test, and nothing else depends on it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest reply that is read, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;

/// A request in the making.
pub(crate) struct Ask {
    request: ClientRequest,
    body: Bytes,
    is_described: bool,
}

impl Ask {
    pub(crate) fn new(request: ClientRequest) -> Self {
        Self { request, body: Bytes::new(), is_described: true }
    }

    /// With a bearer token.
    pub(crate) fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With a header, beside those of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.append_header((name, value));
        self
    }

    /// With a JSON body and its media type.
    pub(crate) fn json(self, value: &Value) -> Self {
        self.text(&value.to_string())
    }

    /// With a text that is sent as JSON, whatever it is.
    pub(crate) fn text(self, text: &str) -> Self {
        self.header("Content-Type", "application/json").body(text.to_owned())
    }

    /// With a body and nothing that says what it is.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// To something else than the service: the OpenAPI document says nothing about the reply.
    pub(crate) fn undescribed(self) -> Self {
        Self { is_described: false, ..self }
    }

    /// The reply.
    pub(crate) async fn send(self) -> Reply {
        self.try_send().await.expect("a complete reply")
    }

    /// The reply, which is as the OpenAPI document says; none when the service went away.
    pub(crate) async fn try_send(self) -> Option<Reply> {
        let (method, uri) = (self.request.get_method().clone(), self.request.get_uri().clone());
        let mut response = self.request.send_body(self.body.clone()).await.ok()?;
        let body = response.body().limit(LONGEST).await.ok()?;
        let reply = Reply { status: response.status(), headers: response.headers().clone(), body };
        if self.is_described {
            exchange::check(method.as_str(), uri.path(), Some(&self.body), &reply);
        }
        Some(reply)
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The one value of a header; none when it is absent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name);
        let first = values.next();
        assert!(values.next().is_none(), "{name} stands there twice");
        first.map(|value| value.to_str().expect("an ASCII header"))
    }

    /// The names of the headers that begin like this.
    pub(crate) fn headers_like(&self, begin: &str) -> Vec<&str> {
        self.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with(begin)).collect()
    }

    /// The body as it came.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| unreachable!("{error}: {:?}", self.body))
    }

    /// Fails with the whole reply unless the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// Sends bytes as they are, reads until the service closes, and takes the first reply apart, which is as the OpenAPI
/// document says.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Reply {
    let reply = read_reply(begin(address, request)).await;
    let line = request.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = line.unwrap_or_default().split(' ');
    if let (Some(method), Some(target)) = (words.next(), words.next()) {
        exchange::check(method, target, None, &reply);
    }
    reply
}

/// Sends the beginning of a request.
pub(crate) fn begin(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a read timeout");
    stream.write_all(request).expect("the bytes are sent");
    stream
}

/// Reads until the service closes and takes the reply apart.
pub(crate) async fn read_reply(mut stream: TcpStream) -> Reply {
    // Off this thread, which has the service's own future to drive.
    let read = move || {
        let mut bytes = Vec::new();
        (stream.read_to_end(&mut bytes), bytes)
    };
    let (read, bytes) = actix_rt::task::spawn_blocking(read).await.expect("the reading ends");
    // A service that answered early may reset what it did not read.
    assert!(read.is_ok() || !bytes.is_empty(), "no reply: {read:?}");
    take_apart(&bytes).expect("a complete head")
}

/// Reads one reply of a connection that stays open.
pub(crate) async fn next_reply(mut stream: TcpStream) -> (Reply, TcpStream) {
    let read = move || {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = stream.read(&mut chunk).expect("a reply");
            bytes.extend_from_slice(&chunk[..read]);
            let reply = take_apart(&bytes);
            let whole = reply.filter(|reply| reply.header("content-length") == Some(&reply.body.len().to_string()));
            if let Some(reply) = whole {
                return (reply, stream);
            }
            assert!(read > 0, "the service closed: {}", String::from_utf8_lossy(&bytes));
        }
    };
    actix_rt::task::spawn_blocking(read).await.expect("the reading ends")
}

/// None while the head is incomplete.
fn take_apart(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).expect("an ASCII head");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        headers.append(name.parse().expect("a header name"), value.trim().parse().expect("a header value"));
    }
    Some(Reply { status: status.parse().expect("a status"), headers, body: Bytes::copy_from_slice(&bytes[end + 4..]) })
}
