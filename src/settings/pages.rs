//! `[pages]`: the account pages.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// `[pages]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// Whether there are account pages.
    pub enabled: bool,
    /// The shop's name, if not empty.
    pub name: String,
    /// An image file with the shop's logo, if not empty.
    pub logo: PathBuf,
    /// A style sheet that is loaded after the built-in one, if not empty.
    pub stylesheet: PathBuf,
    /// What an address must begin with to be returned to.
    pub return_urls: Vec<ReturnUrl>,
    /// A folder with templates and messages that replace the built-in ones, if not empty.
    pub templates: PathBuf,
}

/// The beginning of the addresses that `?return_to=` may name: an origin and a path.
#[derive(Clone, Debug)]
pub struct ReturnUrl(Url);

impl Serialize for ReturnUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl ReturnUrl {
    /// Returns the origin, as browsers write it.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Returns the address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns whether an address begins like this one. Both are in the form in which browsers write them, and this one
    /// has a path, so the hosts are the same.
    pub fn begins(&self, address: &Url) -> bool {
        address.origin() == self.0.origin() && address.as_str().starts_with(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for ReturnUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse(&String::deserialize(deserializer)?)
            .map(Self)
            .map_err(|expected| serde::de::Error::custom(format!("expected {expected}")))
    }
}

fn parse(text: &str) -> Result<Url, &'static str> {
    let example = "addresses with a scheme, a host and a path, such as https://shop.example/";
    let url = Url::parse(text).map_err(|_| example)?;
    if !matches!(url.scheme(), "http" | "https") || url.as_str() != text {
        return Err(example);
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("addresses without a query, a fragment or a user, such as https://shop.example/");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_url_has_an_origin_and_a_path() {
        for text in ["https://shop.example/", "http://localhost:3000/shop/", "https://xn--bcher-kva.example/a"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "/",
            "shop.example",
            "https://shop.example",
            "HTTPS://shop.example/",
            "https://shop.example:443/",
            "https://u@shop.example/",
            "https://shop.example/?a",
            "https://shop.example/#a",
            "ftp://shop.example/",
            "javascript:alert(1)",
            "https://shop.example/a/../b",
            "https://b\u{fc}cher.example/",
            "data:,x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_same_origin_and_the_beginning_of_the_path_are_returned_to() {
        let shop = ReturnUrl(parse("https://shop.example/account/").expect("a URL"));
        let begins = |text: &str| Url::parse(text).is_ok_and(|url| shop.begins(&url));
        assert!(begins("https://shop.example/account/") && begins("https://SHOP.example/account/x?y#z"));
        for text in [
            "https://shop.example/",
            "https://shop.example/accounts",
            "https://shop.example.evil.example/account/",
            "https://shop.example@evil.example/account/",
            "http://shop.example/account/",
            "https://evil.example/",
            "https://shop.example:444/account/",
            "https://shop.example/account/../x",
            "javascript:alert(1)",
            "https://shop.example\\@evil.example/account/",
            "//shop.example/account/",
        ] {
            assert!(!begins(text), "{text}");
        }
    }
}
