//! The slug: an ASCII form of the full name, for URLs and file names.
//!
//! Transliteration works character by character, so the slug of "first last" consists of the slugs of both names. They
//! are stored beside the names, so a new version of the transliteration table changes no stored slug.

use rand::seq::IndexedRandom;
use unicode_normalization::char::is_combining_mark;

/// The longest slug, in bytes.
pub(crate) const LONGEST: usize = 80;
/// The longest part before a suffix, in bytes.
pub(crate) const LONGEST_BEFORE_SUFFIX: usize = LONGEST - SUFFIX - 1;
/// The slug of a name without any ASCII form, such as a name of emoji only.
pub(crate) const NAMELESS: &str = "customer";

const SUFFIX: usize = 5;
/// Digits and letters, without those that look alike (0 o, 1 i l).
const SUFFIX_LETTERS: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";

/// Returns the ASCII form of one name: lower-case words joined by hyphens. Empty when no character has an ASCII form.
pub(crate) fn part(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        let ascii = deunicode::deunicode_char(c);
        if c.is_ascii() {
            push(&mut slug, c);
        } else if c.is_alphabetic() || is_combining_mark(c) {
            push_letter(&mut slug, ascii.unwrap_or_default(), c);
        } else if c.is_numeric() {
            ascii.unwrap_or(" ").chars().for_each(|c| push(&mut slug, c));
        } else if !matches!(ascii, Some("" | "'")) {
            push(&mut slug, ' ');
        }
    }
    let length = slug.trim_end_matches('-').len();
    slug.truncate(length);
    slug
}

/// Appends a letter. A letter is never a word boundary, even if its ASCII form has punctuation: ʿayn becomes a
/// backquote. The exception is the space after the syllable of a Han character. A combining mark belongs to its letter.
fn push_letter(slug: &mut String, ascii: &str, letter: char) {
    let ends_syllable = |c: char| c == ' ' && !is_combining_mark(letter);
    ascii.chars().filter(|c| c.is_ascii_alphanumeric() || ends_syllable(*c)).for_each(|c| push(slug, c));
}

fn push(slug: &mut String, c: char) {
    match c {
        'a'..='z' | '0'..='9' => slug.push(c),
        'A'..='Z' => slug.push(c.to_ascii_lowercase()),
        '\'' => {}
        _ if slug.is_empty() || slug.ends_with('-') => {}
        _ => slug.push('-'),
    }
}

/// Joins the slugs of both names to the slug of the full name, without a suffix.
pub fn form(first: &str, last: &str) -> String {
    let joined = format!("{first}-{last}");
    let joined = joined.trim_matches('-');
    match shortened(joined, LONGEST) {
        "" => NAMELESS.to_owned(),
        slug => slug.to_owned(),
    }
}

/// Appends a suffix to the form of a slug, for a name whose plain slug is taken.
pub(crate) fn suffixed(form: &str, suffix: &str) -> String {
    format!("{}-{suffix}", shortened(form, LONGEST_BEFORE_SUFFIX))
}

/// Returns whether a slug is the form itself or the form with a suffix.
pub(crate) fn is_of_form(slug: &str, form: &str) -> bool {
    let is_suffix = |text: &str| text.len() == SUFFIX && text.bytes().all(|byte| SUFFIX_LETTERS.contains(&byte));
    let suffix = slug.strip_prefix(shortened(form, LONGEST_BEFORE_SUFFIX)).and_then(|rest| rest.strip_prefix('-'));
    slug == form || suffix.is_some_and(is_suffix)
}

fn shortened(slug: &str, most: usize) -> &str {
    slug.get(..most).unwrap_or(slug).trim_end_matches('-')
}

/// Draws five random characters. There are 28 million combinations, so collisions are rare and callers just retry.
pub(crate) fn random_suffix() -> String {
    let mut random = rand::rng();
    (0..SUFFIX).filter_map(|_| SUFFIX_LETTERS.choose(&mut random)).map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slug(first: &str, last: &str) -> String {
        form(&part(first), &part(last))
    }

    fn is_well_formed(slug: &str) -> bool {
        slug.len() <= LONGEST
            && slug
                .split('-')
                .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
    }

    #[test]
    fn names_of_many_scripts_become_ascii() {
        for (first, last, expected) in [
            ("John", "Doe", "john-doe"),
            ("Sinéad", "O’Connor", "sinead-oconnor"),
            ("Þórður", "Ægisson", "thordur-aegisson"),
            ("Анна", "Петрова", "anna-petrova"),
            ("小明", "王", "xiao-ming-wang"),
            ("철수", "김", "ceolsu-gim"),
            ("Jean-Luc", "", "jean-luc"),
            ("😀", "🎉", "customer"),
            ("--", "…", "customer"),
        ] {
            assert_eq!(slug(first, last), expected);
        }
    }

    #[test]
    fn a_letter_or_its_mark_is_never_a_word_boundary() {
        for (first, last, expected) in [
            ("سعيد", "عبد", "syd-bd"),
            ("יעקב", "לוי", "yqb-lvy"),
            ("ქეთი", "თამარი", "keti-tamari"),
            ("Թամար", "Փաշինյան", "tamar-pashinyan"),
            ("ʿAlī", "Kaʻahumanu", "ali-kaahumanu"),
            ("ଓଡ଼ିଆ", "हिन्दी", "oddiaa-hindii"),
            ("محمد\u{200c}رضا", "", "mhmdrd"),
            ("ג׳ורג׳", "O‘Brien", "gvrg-obrien"),
            ("\u{e000}A\u{10ffff}", "", "a"),
        ] {
            assert_eq!(slug(first, last), expected);
        }
    }

    proptest! {
        #[test]
        fn every_slug_is_well_formed(first in any::<String>(), last in any::<String>()) {
            let slug = slug(&first, &last);
            prop_assert!(is_well_formed(&slug), "{}", slug);
            prop_assert!(is_well_formed(&suffixed(&slug, &random_suffix())));
        }

        #[test]
        fn the_slug_of_the_parts_is_the_slug_of_the_whole(first in "\\PC{0,20}", last in "\\PC{0,20}") {
            prop_assert_eq!(slug(&first, &last), form(&part(&format!("{first} {last}")), ""));
        }
    }
}
