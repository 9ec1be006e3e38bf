//! Times as other systems write them.

use chrono::{DateTime, Datelike, NaiveDateTime};

use crate::db::UtcMicros;

/// Parses a time of RFC 3339, of PostgreSQL or of MySQL. One without an offset is in UTC. Returns `None` if it is in
/// the future, or before the year 1.
pub(super) fn parse_time(text: &str) -> Option<UtcMicros> {
    let text = text.trim();
    let with_offset = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"];
    let without = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f UTC"];
    let instant = |form: &&str| DateTime::parse_from_str(text, form).ok().map(|time| time.naive_utc());
    let naive = |form: &&str| NaiveDateTime::parse_from_str(text, form).ok();
    let time = with_offset.iter().find_map(instant).or_else(|| without.iter().find_map(naive))?;
    Some(UtcMicros::from(time)).filter(|time| *time <= UtcMicros::now() && time.naive().year() > 0)
}

/// Parses a time, or a word for yes or no: yes means now. Returns `None` if it is neither.
pub(super) fn parse_time_or_flag(text: &str) -> Option<Option<UtcMicros>> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(Some(UtcMicros::now())),
        "false" | "f" | "no" | "n" | "0" => Some(None),
        _ => parse_time(text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        parse_time(text).map(|time| time.naive().to_string())
    }

    #[test]
    fn times_of_other_systems_are_read() {
        for (text, expected) in [
            ("2019-03-01T12:30:00Z", "2019-03-01 12:30:00"),
            ("2019-03-01T12:30:00.123456789+02:00", "2019-03-01 10:30:00.123456"),
            (" 2019-03-01T12:30:00+0200 ", "2019-03-01 10:30:00"),
            ("2019-03-01 12:30:00.5+00", "2019-03-01 12:30:00.500"),
            ("2019-03-01 12:30:00-07", "2019-03-01 19:30:00"),
            ("2019-03-01 12:30:00 +0100", "2019-03-01 11:30:00"),
            ("2019-03-01 12:30:00 UTC", "2019-03-01 12:30:00"),
            ("2019-03-01 12:30:00", "2019-03-01 12:30:00"),
            ("2019-03-01T12:30:00.25", "2019-03-01 12:30:00.250"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_and_times_of_the_future_are_not() {
        for text in [
            "",
            "yesterday",
            "01/03/2019",
            "2019-02-30T00:00:00Z",
            "2019-03-01",
            "1551443400",
            "2999-01-01T00:00:00Z",
            "0000-00-00 00:00:00",
            "-0001-01-01 00:00:00",
            "-200000-01-01 00:00:00",
            "+200000-01-01 00:00:00",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn yes_means_now_and_no_means_never() {
        for yes in ["true", "True", " t ", "YES", "1"] {
            assert!(parse_time_or_flag(yes).flatten().is_some(), "{yes}");
        }
        for no in ["false", "FALSE", "f", "no", "0"] {
            assert_eq!(parse_time_or_flag(no), Some(None), "{no}");
        }
        for neither in ["", "maybe", "2", "2999-01-01T00:00:00Z"] {
            assert_eq!(parse_time_or_flag(neither), None, "{neither}");
        }
        assert!(parse_time_or_flag("2019-03-01T12:30:00Z").flatten().is_some());
    }
}
