//! How easily a password is guessed, by somebody who knows the customer.
//!
//! An estimate costs more the longer the text is, and a text can be made to cost much: 24 characters cost 1 ms, at worst
//! 20 ms, as much as a hash; 72 characters 400 ms. So only windows of a long text are estimated, and its strongest window
//! stands for the whole.

use std::collections::HashSet;

use crate::http::{FieldCode, Violation};

/// Characters that are estimated at a time.
const WINDOW: usize = 24;
/// The estimated guesses from which a password is good enough, as a power of ten: eight characters at random.
const STRONG_ENOUGH: f64 = 8.0;
/// The same for what is left when the customer's own email and names are taken out.
const STRONG_WITHOUT_KNOWN: f64 = 6.0;
/// Common passwords that the estimator does not know: those of Django's 20,000 that it would let pass.
const COMMON: &str = include_str!("common_passwords.txt");
/// Words that are taken from one known text. People have fewer names; each costs an estimate time.
const MOST_WORDS: usize = 16;

/// Judges a password beside what is known of the customer: the email and the names.
///
/// # Errors
/// `password_weak` with a hint that helps.
pub(super) fn judge(password: &str, known: &[&str]) -> Result<(), Violation> {
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

/// Whether a window of the text takes enough guesses; a hint when none does.
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

/// The parts of a text that are estimated: all of a short one; the beginning, the end and the most varied part of a
/// long one.
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

/// What a text repeats, where it is nothing but the same thing twice or more; the last time may be cut short.
/// A window that is no longer than that would not show the repetition.
fn unrepeated(chars: &[char]) -> &[char] {
    let is_period = |period: &usize| chars[*period..] == chars[..chars.len() - period];
    &chars[..(1..=chars.len() / 2).find(is_period).unwrap_or(chars.len())]
}

/// The text without the words, in lower case; `None` when none of them stands in it.
fn without(text: &str, words: &[&str]) -> Option<String> {
    let lower = text.to_lowercase();
    let mut words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest = words.iter().fold(lower.clone(), |rest, word| rest.replace(word.as_str(), ""));
    (rest != lower).then_some(rest)
}

/// A text and its words: an email's local part and domain, each of several names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    std::iter::once(text).filter(|text| !text.is_empty()).chain(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_weak(password: &str) -> bool {
        judge(password, &["john.doe@example.com", "John", "Doe"]).is_err()
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
        assert!(judge("w00w01w02w03", &[&many]).is_err());
        assert_eq!(words(&many).take(MOST_WORDS).count(), MOST_WORDS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_is_judged(password in "\\PC{0,64}", email in "\\PC{0,40}", name in "\\PC{0,40}") {
            // The same judgement twice: no panic, no chance.
            prop_assert_eq!(judge(&password, &[&email, &name]).is_ok(), judge(&password, &[&email, &name]).is_ok());
        }
    }
}
