//! Text that must not be told: secrets, URLs with passwords, whole settings files before they are understood.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What some editors put before the text of a file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A secret without what a file, a variable or a pipe adds to it: a byte order mark before it, white space behind it.
/// Every source of secrets goes through here, so that the same secret is the same wherever it stands.
pub fn trimmed(secret: &[u8]) -> &[u8] {
    secret.strip_prefix(BYTE_ORDER_MARK).unwrap_or(secret).trim_ascii_end()
}

/// Text that never appears in logs, `Debug`, errors or `config show`: it has no `Display`, and only
/// [`Secret::expose`] gives it away.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn shown(&self) -> &'static str {
        if self.is_empty() { "" } else { "[redacted]" }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        // What is trimmed are whole characters.
        Self(String::from_utf8_lossy(trimmed(text.as_bytes())).into_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_adds_is_not_part_of_a_secret() {
        for text in ["secret", "\u{feff}secret", "secret\n", "\u{feff}secret \t\r\n\n"] {
            assert_eq!(Secret::from(text.to_owned()).expose(), "secret", "{text:?}");
            assert_eq!(trimmed(text.as_bytes()), b"secret", "{text:?}");
        }
        assert_eq!(Secret::from(" a \u{feff}b".to_owned()).expose(), " a \u{feff}b");
        assert_eq!(trimmed(b"\xff\xfe\n"), b"\xff\xfe");
    }

    #[test]
    fn a_secret_shows_only_whether_there_is_one() {
        assert_eq!(format!("{:?} {:?}", Secret::default(), Secret::from("hunter2".to_owned())), r#""" "[redacted]""#);
    }
}
