//! Text of any script: trimmed, with inner white space collapsed, in Unicode NFC, without control characters.

use std::ops::RangeInclusive;

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Schema};
use validator::ValidateLength;

use crate::http::{FieldCode, Json, Rule, Violation};

/// Street and number.
pub(crate) static STREET_ADDRESS: Rule<String> =
    Rule { parse: |json| one_line(json, 1..=255), schema: || schema(1, 255, "456 Oak Avenue") };
/// City or town.
pub(crate) static CITY: Rule<String> =
    Rule { parse: |json| one_line(json, 1..=100), schema: || schema(1, 100, "Los Angeles") };
/// State, province or region.
pub(crate) static STATE: Rule<String> =
    Rule { parse: |json| one_line(json, 1..=100), schema: || schema(1, 100, "California") };

fn one_line(json: &Json<'_>, length: RangeInclusive<u64>) -> Result<String, Violation> {
    normalise(json.text()?, length)
}

/// Describes text of a length in characters, counted after normalisation.
pub(super) fn schema(min: usize, max: usize, example: &str) -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(min)).max_length(Some(max));
    text.pattern(Some(ALLOWED)).examples([example]).build().into()
}

/// What is not refused: see `is_refused`.
pub(super) const ALLOWED: &str =
    r"^[^\u0000-\u0008\u000E-\u001F\u007F-\u0084\u0086-\u009F\u202A-\u202E\u2066-\u2069]*$";

/// Normalises text and checks its length, in characters (Unicode scalar values) after normalisation.
///
/// # Errors
/// `format` for a control character, a bidirectional override or text without any visible character; `too_short` and
/// `too_long` for the length.
pub(crate) fn normalise(text: &str, length: RangeInclusive<u64>) -> Result<String, Violation> {
    let clean = clean(text)?;
    if length.contains(&u64::try_from(clean.len()).unwrap_or(u64::MAX)) && clean.is_ascii() {
        return Ok(clean);
    }
    let (least, most) = (*length.start(), *length.end());
    if !clean.validate_length(Some(least), None, None) {
        return Err(Violation::too_short(least));
    }
    if !clean.validate_length(None, Some(most), None) {
        return Err(Violation::too_long(most));
    }
    if !clean.is_empty() && !clean.chars().any(is_visible) {
        return Err(Violation::new(FieldCode::Format, "This text has no visible characters."));
    }
    Ok(clean)
}

fn clean(text: &str) -> Result<String, Violation> {
    // The common case: nothing to change.
    if text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Ok(text.to_owned());
    }
    if let Some(refused) = text.chars().find(|c| is_refused(*c)) {
        let detail = format!("The character U+{:04X} is not allowed.", u32::from(refused));
        return Err(Violation::new(FieldCode::Format, detail));
    }
    let mut clean = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(word);
    }
    Ok(match is_nfc_quick(clean.chars()) {
        IsNormalized::Yes => clean,
        _ => clean.nfc().collect(),
    })
}

/// Returns whether a character is refused: control characters that are not white space, and the bidirectional
/// embeddings, overrides and isolates, which can disguise text (Unicode TR36 §3.2, UAX #9 §2).
fn is_refused(c: char) -> bool {
    (c.is_control() && !c.is_whitespace()) || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether a character is allowed but invisible, such as a zero-width space or a joiner.
pub(crate) fn is_invisible(c: char) -> bool {
    const { CodePointSetData::new::<DefaultIgnorableCodePoint>() }.contains(c) && !is_refused(c)
}

/// The blank Braille pattern and the null note head have a width but no ink.
fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !is_invisible(c) && !matches!(c, '\u{2800}' | '\u{1D159}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_is_trimmed_and_collapsed() {
        assert_eq!(normalise(" \u{a0}Mary \t\n Ann\u{3000}", 1..=150).ok().as_deref(), Some("Mary Ann"));
    }

    #[test]
    fn decomposed_text_becomes_nfc_before_it_is_counted() {
        assert_eq!(normalise("e\u{301}", 1..=1).ok().as_deref(), Some("é"));
    }

    #[test]
    fn commands_hidden_in_text_are_refused() {
        for text in ["a\0b", "a\u{7}", "\u{202e}evil", "x\u{2066}", "\u{80}"] {
            assert!(normalise(text, 0..=150).is_err(), "{text:?}");
        }
    }

    #[test]
    fn text_of_which_nothing_can_be_seen_is_refused() {
        for text in ["\u{200b}", "\u{200d}\u{200c}", "\u{2060} \u{feff}", "\u{3164}", "\u{ad}", "\u{2800}", "\u{e0041}"]
        {
            assert!(normalise(text, 0..=150).is_err(), "{text:?}");
        }
    }

    #[test]
    fn joiners_between_letters_stay() {
        for text in ["محمد\u{200c}رضا", "क्\u{200d}ष", "👩\u{200d}👧", "葛\u{e0100}城"] {
            assert_eq!(normalise(text, 1..=150).as_deref(), Ok(text));
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in any::<String>()) {
            let once = normalise(&text, 0..=1_000_000);
            prop_assume!(once.is_ok());
            prop_assert_eq!(normalise(&once.clone().expect("a text"), 0..=1_000_000), once);
        }
    }
}
