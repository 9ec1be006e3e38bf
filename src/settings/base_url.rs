//! URLs that others are made from: `server.public_url` and `mail.links`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// An `http` or `https` URL without a query, that ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BaseUrl(String);

impl BaseUrl {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && !url.as_str().contains('@');
        let slash = if url.path().ends_with('/') { "" } else { "/" };
        (is_plain && url.has_host()).then(|| Self(format!("{url}{slash}")))
    }

    /// Returns the text, which ends with a slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the origin, as browsers write it.
    pub fn origin(&self) -> String {
        Url::parse(&self.0).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Returns the host, without its port.
    pub fn host(&self) -> String {
        Url::parse(&self.0).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Reads a URL, or none from an empty text.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BaseUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let expected = "expected a URL such as https://shop.example/, without user, query and fragment";
    BaseUrl::parse(&text).map(Some).ok_or_else(|| serde::de::Error::custom(expected))
}

/// Writes a URL, or an empty text for none.
pub(super) fn text_or_empty<S: Serializer>(url: &Option<BaseUrl>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_ref().map(BaseUrl::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_ends_with_a_slash() {
        for (text, expected) in [
            ("https://shop.example", Some("https://shop.example/")),
            ("https://shop.example/", Some("https://shop.example/")),
            ("http://127.0.0.1:8080/shop", Some("http://127.0.0.1:8080/shop/")),
            ("https://Bücher.example/a/", Some("https://xn--bcher-kva.example/a/")),
            ("https://shop.example/?a", None),
            ("https://shop.example/#a", None),
            ("https://john:secret@shop.example/", None),
            ("ftp://shop.example/", None),
            ("shop.example", None),
            ("javascript:alert(1)", None),
            ("", None),
        ] {
            assert_eq!(BaseUrl::parse(text).as_ref().map(BaseUrl::as_str), expected, "{text}");
        }
        assert_eq!(BaseUrl::parse("https://shop.example:8443").map(|url| url.host()).as_deref(), Some("shop.example"));
    }
}
