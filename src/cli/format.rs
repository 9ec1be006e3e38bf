//! The formats of imports and exports.

use std::path::Path;

use clap::ValueEnum;

/// A format of many customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values (RFC 4180) with a header
    Csv,
    /// The same, separated by tabs
    Tsv,
}

/// The columns of a CSV export, in this order. `password_hash` is written only on request.
pub(super) const COLUMNS: [&str; 15] = [
    "id",
    "email",
    "first_name",
    "last_name",
    "slug",
    "date_of_birth",
    "address.street_address",
    "address.postal_code",
    "address.city",
    "address.state",
    "address.country",
    "created_at",
    "email_verified",
    "disabled_at",
    "password_hash",
];

impl Format {
    /// Returns the format that a file's name tells.
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "json" | "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }

    /// Returns the format of a file that begins like this. The separator of CSV is told by its header.
    pub(super) fn of_content(start: &[u8]) -> Self {
        match start.trim_ascii_start().first() {
            None | Some(b'{') => Self::Jsonl,
            Some(_) => Self::Csv,
        }
    }
}
