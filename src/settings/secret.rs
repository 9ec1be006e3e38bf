//! Text that must not be shown: secrets, URLs with passwords, and settings files before they are parsed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Some editors put this at the start of a file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Removes a byte order mark before a secret and white space after it, which files and pipes often add. Every source of
/// secrets uses this function, so a secret is the same wherever it comes from.
pub fn trimmed(secret: &[u8]) -> &[u8] {
    secret.strip_prefix(BYTE_ORDER_MARK).unwrap_or(secret).trim_ascii_end()
}

/// Text that never appears in logs, errors or `config show`. It has no `Display`, its `Debug` and `Serialize` are
/// redacted, and only [`Secret::expose`] returns it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(String);

impl Secret {
    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn redacted(&self) -> &'static str {
        if self.is_empty() { "" } else { "[redacted]" }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        // Trimming removes only whole characters, so this is valid UTF-8.
        Self(String::from_utf8_lossy(trimmed(text.as_bytes())).into_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.redacted())
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.redacted())
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
