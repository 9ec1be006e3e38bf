//! Dates of birth.

use chrono::{Duration, NaiveDate, Utc};

use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, Schema};

use crate::http::{FieldCode, Rule, Violation};

/// See [`date_of_birth`].
pub(crate) static DATE_OF_BIRTH: Rule<NaiveDate> = Rule { parse: |json| date_of_birth(json.text()?), schema };

fn schema() -> Schema {
    let date =
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)));
    let date = date.description(Some("From 1900-01-01 to today in the time zone that is furthest ahead (UTC+14)."));
    date.pattern(Some("^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$")).examples(["1990-01-15"]).build().into()
}

/// Parses a date of birth: `YYYY-MM-DD`, from 1900-01-01 to today in the time zone that is furthest ahead (UTC+14).
///
/// # Errors
/// `format` or `out_of_range`.
pub fn date_of_birth(text: &str) -> Result<NaiveDate, Violation> {
    let form = || Violation::new(FieldCode::Format, "Use an existing date in the form YYYY-MM-DD.");
    let digits = |range: std::ops::Range<usize>| {
        let digits = text.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u32>().ok()).ok_or_else(form)
    };
    if text.len() != 10 || text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
        return Err(form());
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day)).ok_or_else(form)?;
    let today = (Utc::now() + Duration::hours(14)).date_naive();
    if year < 1900 || date > today {
        let detail = "The date must be between 1900-01-01 and today.";
        return Err(Violation::out_of_range(detail, "1900-01-01", today.to_string()));
    }
    Ok(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<NaiveDate> {
        date_of_birth(text).ok()
    }

    #[test]
    fn only_real_days_in_range_are_dates_of_birth() {
        for text in ["1990-01-15", "1900-01-01", "2024-02-29"] {
            assert_eq!(date(text).map(|date| date.to_string()).as_deref(), Some(text));
        }
        for text in [
            "2023-02-29",
            "1899-12-31",
            "2999-01-01",
            "1990-1-15",
            "19900115",
            "1990-01-15T00:00",
            "１990-01-1",
            "",
            "+990-01-15",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
