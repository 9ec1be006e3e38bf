//! Estimates how easily somebody who knows the customer guesses a password.
//!
//! The cost of an estimate grows with the length of the text and can be provoked: 24 characters usually take 1 ms and
//! at most 20 ms, as much as a hash, but 72 characters can take 400 ms. So only windows of a long text are estimated,
//! and the strongest window counts.

use std::collections::HashSet;

use crate::http::{FieldCode, Violation};

/// The characters of one window.
const WINDOW: usize = 24;
/// The least number of estimated guesses, as a power of ten. Eight random characters reach it.
const STRONG_ENOUGH: f64 = 8.0;
/// The same for the rest of the password without the customer's email and names.
const STRONG_WITHOUT_KNOWN: f64 = 6.0;
/// Common passwords that the estimator does not know: those of Django's list of 20,000 that it would accept.
const COMMON: &str = include_str!("common_passwords.txt");
/// The most words used of one known text. People have fewer names, and each word makes the estimate slower.
const MOST_WORDS: usize = 16;

/// Checks that a password is strong enough, given the customer's email and names.
///
/// # Errors
/// `password_weak` with a hint.
pub(super) fn check(password: &str, known: &[&str]) -> Result<(), Violation> {
    let known: Vec<&str> = known.iter().flat_map(|text| words(text).take(MOST_WORDS)).collect();
    if let Some(rest) = without(password, &known)
        && estimate(&rest, &[], STRONG_WITHOUT_KNOWN).is_err()
    {
        return Err(weak("Use more than your own email and names."));
    }
    estimate(password, &known, STRONG_ENOUGH).map_err(|hint| weak(&hint))
}

fn weak(hint: &str) -> Violation {
    Violation::new(FieldCode::PasswordWeak, format!("This password is too easily guessed. {hint}"))
}

/// Checks that one window of the text takes enough guesses. Returns a hint if none does.
fn estimate(text: &str, known: &[&str], enough: f64) -> Result<(), String> {
    let words: Vec<&str> = known.iter().copied().chain(COMMON.lines()).collect();
    let mut hint = None;
    for window in windows(text) {
        let estimate = zxcvbn::zxcvbn(&window, &words);
        if estimate.guesses_log10() >= enough {
            return Ok(());
        }
        let feedback = estimate.feedback();
        let warning = feedback.and_then(|feedback| feedback.warning()).map(|warning| warning.to_string());
        let advice = || feedback.and_then(|feedback| feedback.suggestions().first().map(ToString::to_string));
        hint = hint.or_else(|| warning.or_else(advice));
    }
    Err(hint.unwrap_or_else(|| "Use a few uncommon words.".into()))
}

/// Returns the windows to estimate: all of a short text; the beginning, the end and the most varied part of a long one.
fn windows(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= WINDOW {
        return vec![text.to_owned()];
    }
    let chars = unrepeated(&chars);
    let variety = |window: &&[char]| window.iter().collect::<HashSet<_>>().len();
    let ends = [&chars[..WINDOW.min(chars.len())], &chars[chars.len().saturating_sub(WINDOW)..]];
    let varied = chars.windows(WINDOW).max_by_key(variety);
    let mut windows: Vec<String> = ends.into_iter().chain(varied).map(String::from_iter).collect();
    windows.dedup();
    windows
}

/// Returns the period of a text that only repeats itself (the last repetition may be incomplete), or else the whole
/// text. A window as short as the period would not show the repetition to the estimator.
fn unrepeated(chars: &[char]) -> &[char] {
    let is_period = |period: &usize| chars[*period..] == chars[..chars.len() - period];
    &chars[..(1..=chars.len() / 2).find(is_period).unwrap_or(chars.len())]
}

/// Removes the words from the text, in lower case. Returns `None` if it contains none of them.
fn without(text: &str, words: &[&str]) -> Option<String> {
    let lower = text.to_lowercase();
    let mut words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest = words.iter().fold(lower.clone(), |rest, word| rest.replace(word.as_str(), ""));
    (rest != lower).then_some(rest)
}

/// Returns the text and the words in it, such as an email's local part and domain, or each of several names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    std::iter::once(text).filter(|text| !text.is_empty()).chain(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_weak(password: &str) -> bool {
        check(password, &["john.doe@example.com", "John", "Doe"]).is_err()
    }

    #[test]
    fn guessable_passwords_are_weak_and_uncommon_ones_are_not() {
        for password in ["password1", "12345678", "john.doe@example.com", "qwertyuiop", "asdfghjkl", "johndoe1990"] {
            assert!(is_weak(password), "{password}");
        }
        for password in ["SecureP@ssw0rd123", "correct horse battery staple", "zQ8#kd02!plm", "vR7#pQ2v"] {
            assert!(!is_weak(password), "{password}");
        }
    }

    #[test]
    fn common_passwords_are_weak_in_their_variants_too() {
        for common in COMMON.lines() {
            assert!(is_weak(common) && is_weak(&common.to_uppercase()), "{common}");
        }
        for variant in ["Diosesfiel", "d1osesfiel", "diosesfiel1", "leifsesoid", "diosesfiel".repeat(9).as_str()] {
            assert!(is_weak(variant), "{variant}");
        }
    }

    #[test]
    fn a_weak_password_is_weak_however_often_it_is_repeated() {
        for weak in ["password1", "monkeydragon77", "johndoe1990", "qwertyuiopasdfgh", "aaaaaaaa", "abc"] {
            assert!(is_weak(weak), "{weak}");
            for times in [3, 7, 20] {
                let repeated = weak.repeat(times);
                assert!(is_weak(&repeated), "{repeated}");
                assert!(is_weak(&repeated[..repeated.len() - 1]), "{repeated} cut short");
            }
        }
    }

    #[test]
    fn a_long_password_is_strong_wherever_its_strength_is() {
        let (strong, dull) = ("zQ8#kd02!plm", "a".repeat(100));
        for password in [format!("{strong}{dull}"), format!("{dull}{strong}"), format!("{dull}{strong}{dull}")] {
            assert!(!is_weak(&password), "{password}");
        }
        assert!(!is_weak(&format!("qwertyuiopasdfghjklzxcvbnm{strong}")));
        assert!(!is_weak("the quick brown fox would rather not jump over this lazy dog today, thank you"));
        assert!(!is_weak("Меня зовут иначе, чем ты думаешь, и пароль мой длинный"));
    }

    #[test]
    fn no_more_than_three_windows_are_estimated_and_none_is_longer_than_the_window() {
        for text in ["", "short", &"ab".repeat(128), &"0123456789abcdefghijklmnopqrstuvwxyzABC".repeat(7)[..256]] {
            let windows = windows(text);
            assert!((1..=3).contains(&windows.len()), "{windows:?}");
            assert!(windows.iter().all(|window| window.chars().count() <= WINDOW), "{windows:?}");
        }
    }

    #[test]
    fn few_words_are_taken_from_a_name_of_many() {
        let many: String = (0..50).map(|number| format!("w{number:02} ")).collect();
        assert!(check("w00w01w02w03", &[&many]).is_err());
        assert_eq!(words(&many).take(MOST_WORDS).count(), MOST_WORDS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_is_judged(password in "\\PC{0,64}", email in "\\PC{0,40}", name in "\\PC{0,40}") {
            // The same result twice: no panic, no randomness.
            prop_assert_eq!(check(&password, &[&email, &name]).is_ok(), check(&password, &[&email, &name]).is_ok());
        }
    }
}
