//! Parses PostgreSQL URLs, so that a password is neither misread nor shown.
//!
//! The errors of libpq quote the text that it cannot parse, which may include the password. So libpq never gets a URL,
//! but the quoted parts of one. A URL in which the end of the password is ambiguous is refused, and the error quotes
//! nothing.

const UNREADABLE: &str = "the URL cannot be parsed: percent-encode what is neither a letter nor a digit in the user and the \
                          password (% as %25, / as %2F, : as %3A, @ as %40)";
const UNKNOWN_PARAMETER: &str = "the URL has a parameter that libpq does not know, or a & that is not written as %26";

/// The parameters of libpq that may be in the query of a URL.
const PARAMETERS: [&str; 46] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "servicefile",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
    "ssl",
];
/// The parameters whose values are redacted.
const SECRETS: [&str; 2] = ["password", "sslpassword"];

/// The parts of a PostgreSQL URL.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// The URL without secrets.
    pub(super) redacted: String,
    /// The parameters for libpq with their decoded values, each parameter once.
    parameters: Vec<(&'static str, String)>,
}

impl PostgresUrl {
    /// Parses the part after `postgres://` like libpq: the first `@` before any `/` ends the password, so the password
    /// may contain an unescaped `?` or `#`.
    ///
    /// # Errors
    /// One line that does not repeat the URL. A second `@` is an error, because it may be the real end of the password.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let (user_info, rest) = match url.find(['@', '/']) {
            Some(end) if url[end..].starts_with('@') => (Some(&url[..end]), &url[end + 1..]),
            _ => (None, url),
        };
        if rest.contains('@') {
            return Err(UNREADABLE);
        }
        let mut parts = Self { redacted: "postgres://".to_owned(), parameters: Vec::new() };
        if let Some(user_info) = user_info {
            parts.add_user_info(user_info)?;
        }
        let (location, query) = rest.split_once('?').map_or((rest, None), |(location, query)| (location, Some(query)));
        let (hosts, name) = location.split_once('/').unwrap_or((location, ""));
        parts.add_hosts(hosts)?;
        parts.set("dbname", decoded(name)?);
        parts.redacted.push_str(location);
        if let Some(query) = query {
            parts.add_query(query)?;
        }
        Ok(parts)
    }

    /// Returns the connection string for libpq, which includes the password. `defaults` are for parameters that the URL
    /// does not set.
    pub(crate) fn connection_string(&self, defaults: &[(&str, String)]) -> String {
        let set = |name: &str| self.parameters.iter().any(|(known, _)| *known == name);
        let own = self.parameters.iter().map(|(name, value)| (*name, value));
        let defaults = defaults.iter().filter(|(name, _)| !set(name)).map(|(name, value)| (*name, value));
        let quoted = |value: &str| value.replace('\\', r"\\").replace('\'', r"\'");
        own.chain(defaults).map(|(name, value)| format!("{name}='{}' ", quoted(value))).collect()
    }

    /// Sets a parameter. An empty value unsets it, as in libpq.
    fn set(&mut self, name: &'static str, value: String) {
        self.parameters.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            self.parameters.push((name, value));
        }
    }

    fn add_user_info(&mut self, text: &str) -> Result<(), &'static str> {
        let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
        self.set("user", decoded(user)?);
        self.redacted.push_str(user);
        if let Some(password) = password {
            self.set("password", decoded(password)?);
            self.redacted.push_str(":[redacted]");
        }
        self.redacted.push('@');
        Ok(())
    }

    /// Parses `host:port,host:port`. An IPv6 address is in brackets.
    fn add_hosts(&mut self, text: &str) -> Result<(), &'static str> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for host_and_port in text.split(',') {
            let (host, port) = match host_and_port.strip_prefix('[') {
                Some(rest) => rest.split_once(']').ok_or(UNREADABLE)?,
                None => host_and_port.split_at(host_and_port.find(':').unwrap_or(host_and_port.len())),
            };
            // After the bracket, only a port may follow.
            let port = if port.is_empty() { port } else { port.strip_prefix(':').ok_or(UNREADABLE)? };
            if !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0) {
                return Err(UNREADABLE);
            }
            hosts.push(decoded(host)?);
            ports.push(port);
        }
        for (name, list) in [("host", hosts.join(",")), ("port", ports.join(","))] {
            if !list.trim_matches(',').is_empty() {
                self.set(name, list);
            }
        }
        Ok(())
    }

    fn add_query(&mut self, text: &str) -> Result<(), &'static str> {
        let mut separator = '?';
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(UNKNOWN_PARAMETER)?;
            let name = PARAMETERS.into_iter().find(|known| *known == name).ok_or(UNKNOWN_PARAMETER)?;
            let value_shown = if SECRETS.contains(&name) { "[redacted]" } else { value };
            self.redacted.push_str(&format!("{separator}{name}={value_shown}"));
            separator = '&';
            match name {
                // libpq accepts this parameter of JDBC URLs.
                "ssl" if value == "true" => self.set("sslmode", "require".to_owned()),
                "ssl" => return Err(UNKNOWN_PARAMETER),
                _ => self.set(name, decoded(value)?),
            }
        }
        Ok(())
    }
}

/// Percent-decodes one part of the URL.
pub(super) fn decoded(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or(UNREADABLE);
                (u8::try_from(digit(high)? * 16 + digit(low)?).map_err(|_| UNREADABLE)?, after)
            }
            (b'%', _) => return Err(UNREADABLE),
            (byte, after) => (*byte, after),
        };
        if byte == 0 {
            return Err(UNREADABLE);
        }
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| UNREADABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(String, String), &'static str> {
        PostgresUrl::parse(url).map(|url| (url.redacted.clone(), url.connection_string(&[])))
    }

    #[test]
    fn a_url_becomes_the_parameters_that_libpq_reads_in_it() {
        for (url, redacted, parameters) in [
            ("u:s3c?ret@h/d", "u:[redacted]@h/d", "user='u' password='s3c?ret' host='h' dbname='d' "),
            ("u:a#b:c%2F%40@h", "u:[redacted]@h", "user='u' password='a#b:c/@' host='h' "),
            (r"u:a'b\c%20d@h/", r"u:[redacted]@h/", r"user='u' password='a\'b\\c d' host='h' "),
            ("a:1,[::1]:2,c/d", "a:1,[::1]:2,c/d", "host='a,::1,c' port='1,2,' dbname='d' "),
            ("%2Frun%2Fpg/d?user=u", "%2Frun%2Fpg/d?user=u", "host='/run/pg' dbname='d' user='u' "),
            ("/d?host=/tmp&ssl=true", "/d?host=/tmp&ssl=true", "dbname='d' host='/tmp' sslmode='require' "),
            (
                "h/d?password=a%26&password=b",
                "h/d?password=[redacted]&password=[redacted]",
                "host='h' dbname='d' password='b' ",
            ),
            ("h/d?", "h/d", "host='h' dbname='d' "),
            ("", "", ""),
        ] {
            assert_eq!(read(url), Ok((format!("postgres://{redacted}"), parameters.to_owned())), "{url}");
        }
    }

    #[test]
    fn a_url_whose_password_could_end_elsewhere_is_refused_without_a_word_of_it() {
        for url in [
            "u:s3c%zzret@h/d",
            "u:s3c/ret@h/d",
            "u:s3c@ret@h/d",
            "u:s3c@r?et=1@h",
            "u:s3cret%@h",
            "u:%00@h",
            "u:%ff@h",
            "u:p@h:s3cret/d",
            "h:0",
            "h:65536",
            "[::1/d",
            "[::1]s3cret/d",
            "h/d?s3cret",
            "h/d?s3cret=1",
            "h/d?password=s3&cret=1",
            "h/d?ssl=s3cret",
        ] {
            let reason = read(url).expect_err(url);
            assert!(reason == UNREADABLE || reason == UNKNOWN_PARAMETER, "{url}: {reason}");
        }
    }

    #[test]
    fn what_the_url_sets_wins_over_a_default() {
        let url = PostgresUrl::parse("h?connect_timeout=9").expect("a URL");
        let defaults = [("connect_timeout", "2".to_owned()), ("application_name", "x".to_owned())];
        assert_eq!(url.connection_string(&defaults), "host='h' connect_timeout='9' application_name='x' ");
    }
}
