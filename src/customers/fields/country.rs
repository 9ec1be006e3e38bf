//! Countries: a full English name, or an ISO 3166-1 code that becomes one.

use std::collections::HashMap;
use std::sync::LazyLock;

use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Schema};

use super::text;
use crate::http::{FieldCode, Rule, Violation};

/// See [`parse`].
pub(crate) static COUNTRY: Rule<String> = Rule { parse: |json| parse(json.text()?), schema };

fn schema() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(2)).max_length(Some(100));
    let name = name.pattern(Some(text::ALLOWED));
    let name = name.description(Some("The English name, or an ISO 3166-1 code in any case, which becomes the name."));
    name.examples(["United States", "US", "usa"]).build().into()
}

/// The alpha-2 code, alpha-3 code and English name of the 249 officially assigned countries. The names are from CLDR 48
/// (`cldr-localenames-full`, Unicode License v3, see NOTICE).
const COUNTRIES: &str = include_str!("countries.tsv");

static BY_CODE: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let rows = COUNTRIES.lines().filter_map(|line| {
        let mut cells = line.split('\t');
        Some((cells.next()?, cells.next()?, cells.next()?))
    });
    // ISO 3166 reserves UK for the United Kingdom, which is GB.
    rows.chain([("UK", "GBR", "United Kingdom")])
        .flat_map(|(alpha2, alpha3, name)| [(alpha2, name), (alpha3, name)])
        .collect()
});

/// Parses a country. A code in any case becomes its English name; a name of 4 to 100 characters is kept as given.
///
/// # Errors
/// `format` for a text of fewer than 4 characters that is not a code, and the errors of [`text::normalise`].
pub(crate) fn parse(given: &str) -> Result<String, Violation> {
    let name = text::normalise(given, 0..=100)?;
    if name.chars().count() > 3 {
        return Ok(name);
    }
    BY_CODE.get(name.to_ascii_uppercase().as_str()).map(|english| (*english).to_owned()).ok_or_else(|| {
        Violation::new(FieldCode::Format, "Use the full English name of the country, or its ISO 3166-1 code.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_any_case_become_english_names() {
        for code in ["US", "us", "USA", "usa"] {
            assert_eq!(parse(code).ok().as_deref(), Some("United States"));
        }
        assert_eq!(parse("ci").ok().as_deref(), Some("Côte d’Ivoire"));
        assert_eq!(BY_CODE.len(), 2 * 249 + 1);
        for code in ["UK", "uk", " Uk ", "GB", "gbr"] {
            assert_eq!(parse(code).ok().as_deref(), Some("United Kingdom"));
        }
    }

    #[test]
    fn names_are_kept_and_other_short_text_is_refused() {
        assert_eq!(parse("Peru").ok().as_deref(), Some("Peru"));
        assert_eq!(parse("Wakanda").ok().as_deref(), Some("Wakanda"));
        for short in ["", "XX", "ZZZ", "U.K", "EU", "1"] {
            assert!(parse(short).is_err(), "{short}");
        }
    }
}
