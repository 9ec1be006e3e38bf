//! Where requests and answers begin and end on a connection, followed from outside the framework.
//!
//! Only what is plain is followed: one HTTP/1.1 request at a time, of a known length, and its answer. With anything else
//! (pipelining, chunks, an upgrade, a head that is malformed) the connection is left to the framework for good. Both read
//! heads with the same parser, so that they agree about where a request ends (RFC 9112 §11.2).

use actix_web::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, TRANSFER_ENCODING, UPGRADE};
use httparse::{EMPTY_HEADER, Header, Status};

use super::super::edge::REQUEST_ID;

/// A head with more fields is not followed.
const MOST_FIELDS: usize = 32;
/// A longer head, in bytes, is not followed.
const LONGEST_HEAD: usize = 16 * 1024;

/// What is known of a request before the framework sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// As sent: methods have a case.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// `X-Request-Id` as sent, if it is text.
    pub request_id: Option<&'a str>,
}

/// How far the exchange on one connection is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// What comes next begins a request.
    Between,
    /// The begin of a head is here.
    Head(Vec<u8>),
    /// A request waits for its answer; so much of its body has not arrived.
    Asked { missing: usize },
    /// So much of an answer has not left.
    Answered { missing: usize },
    /// Nobody knows but the framework.
    Lost,
}

impl Framing {
    /// Notes what arrives. Yields a request that is here as a whole, with nothing before or behind it.
    pub(super) fn arrives<'a>(&mut self, bytes: &'a [u8]) -> Option<Request<'a>> {
        let (next, whole) = match std::mem::replace(self, Self::Lost) {
            Self::Between => match Head::parse(bytes) {
                Some(Status::Complete(head)) => {
                    let next = head.asked(bytes.len());
                    let is_whole = next == Self::Asked { missing: 0 };
                    (next, is_whole.then_some(head.request))
                }
                Some(Status::Partial) => (Self::Head(bytes.to_vec()), None),
                None => (Self::Lost, None),
            },
            Self::Head(mut begin) => {
                begin.extend_from_slice(bytes);
                let next = match Head::parse(&begin) {
                    Some(Status::Complete(head)) => head.asked(begin.len()),
                    Some(Status::Partial) if begin.len() <= LONGEST_HEAD => Self::Head(begin),
                    _ => Self::Lost,
                };
                (next, None)
            }
            Self::Asked { missing } => {
                (missing.checked_sub(bytes.len()).map_or(Self::Lost, |missing| Self::Asked { missing }), None)
            }
            Self::Answered { .. } | Self::Lost => (Self::Lost, None),
        };
        *self = next;
        whole
    }

    /// Notes that `written` bytes of `answer`, which is all that the framework has to send, have left.
    pub(super) fn leaves(&mut self, answer: &[u8], written: usize) {
        let length = match self {
            Self::Asked { missing: 0 } => answer_length(answer),
            Self::Answered { missing } => Some(*missing),
            _ => None,
        };
        *self = match length.and_then(|length| length.checked_sub(written)) {
            Some(0) => Self::Between,
            Some(missing) => Self::Answered { missing },
            None => Self::Lost,
        };
    }

    /// The request that arrived last has been answered, and the framework knows of neither.
    pub(super) fn was_refused(&mut self) {
        *self = Self::Between;
    }

    /// Leaves the connection to the framework.
    pub(super) fn lose(&mut self) {
        *self = Self::Lost;
    }
}

/// The head of a request that can be followed.
struct Head<'a> {
    request: Request<'a>,
    length: usize,
    body: usize,
}

impl<'a> Head<'a> {
    /// `None` when it is not to be followed.
    fn parse(bytes: &'a [u8]) -> Option<Status<Self>> {
        let mut fields = [EMPTY_HEADER; MOST_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let Status::Complete(length) = parsed.parse(bytes).ok()? else {
            return Some(Status::Partial);
        };
        // The answer to HEAD has a length and no body.
        let method = parsed.method.filter(|method| matches!(*method, "GET" | "PUT" | "PATCH" | "POST" | "DELETE"))?;
        let target = parsed.path.filter(|_| parsed.version == Some(1))?;
        let fields = &*parsed.headers;
        let is_other = |field: &Header<'_>| {
            is(field, &TRANSFER_ENCODING)
                || is(field, &EXPECT)
                || is(field, &UPGRADE)
                || is(field, &CONNECTION) && !field.value.eq_ignore_ascii_case(b"keep-alive")
        };
        if fields.iter().any(is_other) {
            return None;
        }
        let body = content_length(fields)?.unwrap_or(0);
        let request_id = fields.iter().find(|field| is(field, &REQUEST_ID));
        let request_id = request_id.and_then(|field| std::str::from_utf8(field.value).ok());
        Some(Status::Complete(Self { request: Request { method, target, request_id }, length, body }))
    }

    /// What comes after this head, of which so many bytes are here with what follows it.
    fn asked(&self, here: usize) -> Framing {
        let missing = self.length.checked_add(self.body).and_then(|length| length.checked_sub(here));
        missing.map_or(Framing::Lost, |missing| Framing::Asked { missing })
    }
}

fn is(field: &Header<'_>, name: &HeaderName) -> bool {
    field.name.eq_ignore_ascii_case(name.as_str())
}

/// The inner is `None` when there is no such field, the outer when it is no number or there are several.
fn content_length(fields: &[Header<'_>]) -> Option<Option<usize>> {
    let mut lengths = fields.iter().filter(|field| is(field, &CONTENT_LENGTH));
    let Some(length) = lengths.next() else {
        return Some(None);
    };
    if lengths.next().is_some() || !length.value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(length.value).ok()?.parse().ok().map(Some)
}

/// The length of the final answer that begins here; `None` when that is not known.
fn answer_length(answer: &[u8]) -> Option<usize> {
    let mut fields = [EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let Status::Complete(head) = parsed.parse(answer).ok()? else {
        return None;
    };
    // The framework sends `Connection` where an answer is the last one.
    if parsed.headers.iter().any(|field| is(field, &TRANSFER_ENCODING) || is(field, &CONNECTION)) {
        return None;
    }
    match parsed.code? {
        204 | 304 => Some(head),
        200.. => content_length(parsed.headers)?.and_then(|body| head.checked_add(body)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";
    const PUT: &str = "PUT /a HTTP/1.1\r\nHost: a\r\nx-request-id: 7\r\ncontent-length: 2\r\n\r\n{}";
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    /// A framing after all this has arrived, and what was yielded last.
    fn after<'a>(arrivals: &[&'a str]) -> (Framing, Option<Request<'a>>) {
        let mut framing = Framing::Between;
        let yielded = arrivals.iter().map(|bytes| framing.arrives(bytes.as_bytes())).last();
        (framing, yielded.flatten())
    }

    #[test]
    fn a_request_that_is_whole_is_yielded() {
        let (framing, request) = after(&[GET]);
        assert_eq!(request, Some(Request { method: "GET", target: "/a?b", request_id: None }));
        assert_eq!(framing, Framing::Asked { missing: 0 });
        let (_, request) = after(&[PUT]);
        assert_eq!(request, Some(Request { method: "PUT", target: "/a", request_id: Some("7") }));
    }

    #[test]
    fn a_request_that_comes_in_pieces_is_followed_and_not_yielded() {
        for cut in 1..PUT.len() {
            let (begin, rest) = PUT.split_at(cut);
            assert_eq!(after(&[begin]).1, None, "{cut}");
            assert_eq!(after(&[begin, rest]), (Framing::Asked { missing: 0 }, None), "{cut}");
        }
    }

    #[test]
    fn after_its_answer_the_next_request_begins() {
        let (mut framing, _) = after(&[PUT]);
        framing.leaves(OK.as_bytes(), 10);
        assert_eq!(framing, Framing::Answered { missing: OK.len() - 10 });
        framing.leaves(&OK.as_bytes()[10..], OK.len() - 10);
        assert_eq!(framing, Framing::Between);
        assert!(framing.arrives(GET.as_bytes()).is_some());
        let none = b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n";
        framing.leaves(none, none.len());
        assert_eq!(framing, Framing::Between);
    }

    #[test]
    fn what_is_not_plain_is_lost() {
        let lost = |arrivals: &[&str]| assert_eq!(after(arrivals), (Framing::Lost, None), "{arrivals:?}");
        let with = |fields: &str| format!("PUT /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n{{}}");
        for fields in [
            "content-length: 2\r\nContent-Length: 2\r\n",
            "content-length: +2\r\n",
            "content-length: 2, 2\r\n",
            "content-length : 2\r\n",
            "content-length: 1\r\n",
            "content-length: 2\r\ntransfer-encoding: chunked\r\n",
            "content-length: 2\r\nExpect: 100-continue\r\n",
            "content-length: 2\r\nupgrade: h2c\r\n",
            "content-length: 2\r\nconnection: close\r\n",
            "content-length: 99999999999999999999999\r\n",
            &format!("content-length: {}\r\n", usize::MAX),
            &"a: b\r\n".repeat(MOST_FIELDS),
        ] {
            lost(&[&with(fields)]);
        }
        lost(&[&GET.replace("1.1", "1.0")]);
        lost(&[&GET.replace("GET", "HEAD")]);
        lost(&[&format!("{PUT}{GET}")]);
        lost(&[PUT, GET]);
        lost(&["GET /", &"a".repeat(LONGEST_HEAD)]);
        lost(&["\0"]);
    }

    #[test]
    fn an_answer_that_is_not_plain_is_lost() {
        for answer in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-le",
        ] {
            let (mut framing, _) = after(&[GET]);
            framing.leaves(answer.as_bytes(), answer.len());
            assert_eq!(framing, Framing::Lost, "{answer}");
        }
    }

    #[test]
    fn an_answer_that_nobody_asked_for_or_that_comes_early_is_lost() {
        for arrivals in [&[][..], &["GET /"], &[&PUT[..PUT.len() - 1]]] {
            let (mut framing, _) = after(arrivals);
            framing.leaves(OK.as_bytes(), OK.len());
            assert_eq!(framing, Framing::Lost, "{arrivals:?}");
        }
    }
}
