//! A session as it is named, stored and shown.

/// A positive integer below 2^53, drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(i64);

const LIMIT: i64 = 1 << 53;

impl SessionId {
    /// Draws one; a collision is tried anew by the caller.
    pub fn generate() -> Self {
        Self(rand::random_range(1..LIMIT))
    }

    /// Reads the canonical decimal form.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|id| canonical && (1..LIMIT).contains(id)).map(Self)
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
