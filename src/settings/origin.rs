//! The origins of `server.cors_origins`.

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// An origin of web pages, in the form that browsers send (RFC 6454 §6.2). Any other form would never match.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// Returns the value of the header `Origin`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match expected(&text) {
            None => Ok(Self(text)),
            Some(expected) => Err(serde::de::Error::custom(format!("expected {expected}"))),
        }
    }
}

/// Returns what was expected instead of this text, or `None` if it is an origin.
fn expected(text: &str) -> Option<&'static str> {
    if text.contains('*') {
        return Some("every origin by its name, such as https://shop.example: there are no wildcards");
    }
    if text.contains(|c: char| c.is_whitespace() || c == ',' || c == ';') {
        return Some("a list of origins, one by one, such as https://shop.example");
    }
    let Some(host) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return Some("origins that begin with https:// or http://, such as https://shop.example");
    };
    if host.contains(['/', '?', '#']) {
        return Some("origins without a path and without a slash at the end, such as https://shop.example");
    }
    let is_plain =
        host.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    let is_canonical = Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    if !is_plain || !is_canonical {
        return Some(
            "origins as browsers send them, such as https://shop.example: in lower case, other scripts in their \
             xn-- form, without the port that the scheme implies",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelt_as_browsers_send_it() {
        for origin in [
            "https://shop.example",
            "http://localhost:3000",
            "http://127.0.0.1:8081",
            "http://[::1]:8081",
            "https://xn--bcher-kva.example",
            "https://shop_1.example:8443",
            "http://shop.example:443",
        ] {
            assert_eq!(expected(origin), None, "{origin}");
        }
    }

    #[test]
    fn what_would_never_match_is_no_origin() {
        for (text, word) in [
            ("*", "wildcards"),
            ("https://*.shop.example", "wildcards"),
            ("https://a.example https://b.example", "one by one"),
            ("https://a.example;https://b.example", "one by one"),
            ("\nhttps://a.example", "one by one"),
            ("", "begin with"),
            ("null", "begin with"),
            ("shop.example", "begin with"),
            ("//shop.example", "begin with"),
            ("localhost:3000", "begin with"),
            ("HTTPS://shop.example", "begin with"),
            ("https:shop.example", "begin with"),
            ("https:/shop.example", "begin with"),
            ("file://", "begin with"),
            ("ws://shop.example", "begin with"),
            ("\"https://shop.example\"", "begin with"),
            ("https://shop.example/", "slash"),
            ("http://localhost:3000/app", "slash"),
            ("https://shop.example?x", "slash"),
            ("https://shop.example#", "slash"),
            ("https://", "lower case"),
            ("https://Shop.example", "lower case"),
            ("https://b\u{fc}cher.example", "xn--"),
            ("https://shop.example:443", "port"),
            ("http://shop.example:80", "port"),
            ("https://shop.example:", "port"),
            ("https://shop.example:08443", "port"),
            ("https://shop.example:65536", "port"),
            ("https://user:hunter2@shop.example", "browsers"),
            ("http://127.1", "browsers"),
            ("http://[0:0:0:0:0:0:0:1]", "browsers"),
            ("https://shop{1}.example", "browsers"),
            ("https://shop%2eexample", "browsers"),
            ("https://shop\u{200b}.example", "browsers"),
        ] {
            assert!(expected(text).is_some_and(|expected| expected.contains(word)), "{text}: {:?}", expected(text));
        }
    }
}
