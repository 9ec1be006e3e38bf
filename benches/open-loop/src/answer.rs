//! As much of an HTTP/1.1 answer as a load generator needs.

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The service will close the connection.
    pub(crate) closes: bool,
}

impl Answer {
    /// The answer, once all of it is there.
    pub(crate) fn parse(received: &[u8]) -> Option<Self> {
        let head_end = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(received.get(..head_end)?).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let (mut length, mut closes) = (0, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        (received.len() >= head_end + length).then_some(Self { status, closes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_there_when_its_body_is() {
        let whole = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nconnection: close\r\n\r\n{}";
        let answer = Answer::parse(whole).map(|answer| (answer.status, answer.closes));
        assert_eq!(answer, Some((503, true)));
        for length in 0..whole.len() {
            assert!(Answer::parse(&whole[..length]).is_none(), "{length}");
        }
    }
}
