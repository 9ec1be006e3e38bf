//! What text may be: trimmed, inner white space collapsed, Unicode NFC; any script, no invisible commands.

use std::ops::RangeInclusive;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use validator::ValidateLength;

use crate::body::{FieldCode, Refusal};

/// Normalises text and checks its length, in characters (Unicode scalar values) after normalisation.
///
/// # Errors
/// `format` for a control character or a bidirectional override, `too_short` and `too_long` for the length.
pub(crate) fn normalise(text: &str, length: RangeInclusive<u64>) -> Result<String, Refusal> {
    let clean = clean(text)?;
    if length.contains(&u64::try_from(clean.len()).unwrap_or(u64::MAX)) && clean.is_ascii() {
        return Ok(clean);
    }
    let (least, most) = (*length.start(), *length.end());
    if !clean.validate_length(Some(least), None, None) {
        return Err(if least == 1 {
            Refusal::new(FieldCode::TooShort, "This field must not be empty.")
        } else {
            Refusal::new(FieldCode::TooShort, format!("At least {least} characters are needed."))
        });
    }
    if !clean.validate_length(None, Some(most), None) {
        return Err(Refusal::new(FieldCode::TooLong, format!("At most {most} characters are allowed.")));
    }
    Ok(clean)
}

fn clean(text: &str) -> Result<String, Refusal> {
    // The common case first: nothing to change.
    if text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Ok(text.to_owned());
    }
    if let Some(refused) = text.chars().find(|c| is_refused(*c)) {
        let detail = format!("The character U+{:04X} is not allowed.", u32::from(refused));
        return Err(Refusal::new(FieldCode::Format, detail));
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

/// Control characters that are not white space, and the bidirectional embeddings, overrides and isolates,
/// which can make text read as something else (Unicode TR36 §3.2, UAX #9 §2).
fn is_refused(c: char) -> bool {
    (c.is_control() && !c.is_whitespace()) || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
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

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in any::<String>()) {
            if let Ok(once) = normalise(&text, 0..=1_000_000) {
                prop_assert_eq!(normalise(&once, 0..=1_000_000).ok(), Some(once));
            }
        }
    }
}
