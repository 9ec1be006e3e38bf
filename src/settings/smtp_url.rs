//! `mail.url`: the SMTP server, and how the connection to it is protected.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::postgres_url::decoded;
use super::secret::Secret;

/// The URL of an SMTP server. Its `Debug` and `Serialize` redact the password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SmtpUrl(Secret);

/// The parts of `mail.url`.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpServer {
    /// The host, as in the URL. Its certificate must be for it.
    pub host: String,
    /// The port: 587, or 465 with TLS from the start, unless the URL has one.
    pub port: u16,
    /// The user, if any.
    pub user: Option<String>,
    /// The password, if the URL has one.
    pub password: Secret,
    /// How the connection is protected.
    pub security: Security,
}

/// How a connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the start (RFC 8314).
    Tls,
    /// STARTTLS, without which nothing is sent (RFC 3207).
    StartTls,
    /// Not at all, on the loopback only.
    None,
}

impl SmtpUrl {
    /// Parses the URL.
    ///
    /// # Errors
    /// What is wrong, without repeating the URL.
    pub fn server(&self) -> Result<SmtpServer, &'static str> {
        const EXPECTED: &str = "takes a URL such as smtp://user@smtp.example:587 or smtps://user@smtp.example";
        let url = Url::parse(self.0.expose()).map_err(|_| EXPECTED)?;
        // The standard does not know these schemes, so the host is neither checked nor in lower case.
        let host = url.host_str().filter(|host| !host.is_empty()).and_then(|host| Host::parse(host).ok());
        let host = host.ok_or(EXPECTED)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("takes no path: after the host and port, only ?tls=required or ?tls=none");
        }
        let (security, port) = match (url.scheme(), url.query()) {
            ("smtps", None) => (Security::Tls, 465),
            ("smtp", None | Some("tls=required")) => (Security::StartTls, 587),
            ("smtp", Some("tls=none")) if is_loopback(&host) => (Security::None, 25),
            ("smtp", Some("tls=none")) => return Err("tls=none is for a server on this machine only"),
            ("smtp" | "smtps", _) => return Err("takes smtp:// with ?tls=required or ?tls=none, or smtps://"),
            _ => return Err(EXPECTED),
        };
        let user = Some(decoded(url.username()).map_err(|_| EXPECTED)?).filter(|user| !user.is_empty());
        let password = decoded(url.password().unwrap_or_default()).map_err(|_| EXPECTED)?;
        if user.is_none() && !password.is_empty() {
            return Err("has a password without a user");
        }
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        Ok(SmtpServer { host, port: url.port().unwrap_or(port), user, password: password.into(), security })
    }

    fn redacted(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let hidden = Url::parse(self.0.expose()).ok().filter(|_| self.server().is_ok()).and_then(|mut url| {
            let redacted = url.password().map(|_| "[redacted]");
            url.set_password(redacted).ok()?;
            Some(url.to_string().replace("%5Bredacted%5D", "[redacted]"))
        });
        hidden.unwrap_or_else(|| "[redacted]".to_owned())
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::from(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(*address).is_loopback(),
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for SmtpUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<SmtpServer, &'static str> {
        SmtpUrl(Secret::from(url.to_owned())).server()
    }

    fn parts(url: &str) -> Option<(String, u16, Option<String>, String, Security)> {
        let SmtpServer { host, port, user, password, security } = server(url).ok()?;
        Some((host, port, user, password.expose().to_owned(), security))
    }

    #[test]
    fn a_url_says_where_and_how() {
        let expected = |host: &str, port, user: Option<&str>, password: &str, security| {
            Some((host.to_owned(), port, user.map(str::to_owned), password.to_owned(), security))
        };
        for (url, parts_expected) in [
            ("smtp://smtp.example", expected("smtp.example", 587, None, "", Security::StartTls)),
            ("smtp://SMTP.example:2525/?tls=required", expected("smtp.example", 2525, None, "", Security::StartTls)),
            ("smtps://a%40b:p%2Fq@smtp.example", expected("smtp.example", 465, Some("a@b"), "p/q", Security::Tls)),
            ("smtp://localhost?tls=none", expected("localhost", 25, None, "", Security::None)),
            ("smtp://127.0.0.1:1025?tls=none", expected("127.0.0.1", 1025, None, "", Security::None)),
            ("smtp://[::1]:1025?tls=none", expected("::1", 1025, None, "", Security::None)),
        ] {
            assert_eq!(parts(url), parts_expected, "{url}");
        }
    }

    #[test]
    fn a_url_that_does_not_protect_the_mails_is_refused() {
        for url in [
            "",
            "smtp.example:587",
            "http://smtp.example",
            "smtp://",
            "smtp://smtp.example?tls=none",
            "smtp://localhost.example?tls=none",
            "smtp://smtp.example?tls=opportunistic",
            "smtps://smtp.example?tls=none",
            "smtp://smtp.example/path",
            "smtp://smtp.example#x",
            "smtp://:secret@smtp.example",
            "smtp://a:%@smtp.example",
        ] {
            assert!(server(url).is_err(), "{url}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("smtp://john:hunter2@smtp.example:587", "smtp://john:[redacted]@smtp.example:587"),
            ("smtp://john@smtp.example", "smtp://john@smtp.example"),
            ("smtp://john:hunter2@smtp.example?tls=none", "[redacted]"),
            ("hunter2", "[redacted]"),
            ("", ""),
        ] {
            assert_eq!(format!("{:?}", SmtpUrl(Secret::from(url.to_owned()))), shown, "{url}");
        }
    }
}
