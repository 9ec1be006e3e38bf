//! Passwords: Argon2id on threads of their own, behind a bounded queue, and an estimate of their strength.
//!
//! A flood of sign-ins fills the queue and is answered 503; it takes neither the event loop nor, beyond
//! threads × 19 MiB, memory.

use std::ops::RangeInclusive;

use argon2::Argon2;
use crossbeam_channel::Receiver;
use unicode_normalization::UnicodeNormalization;

use super::hashing::{Verdict, argon2, hash, of_nobody, verify};
use crate::answers::Answer;
use crate::body::{FieldCode, Json, Refusal};
use crate::problem::Problem;
use crate::settings;
use crate::threads::{self, Threads};

/// Characters of a password.
const LENGTH: RangeInclusive<usize> = 8..=256;
/// What the estimator looks at: its cost grows faster than the text, and this much is strong in any case.
const ESTIMATED: usize = 72;
/// The estimated guesses from which a password is good enough, as a power of ten: eight characters at random.
const STRONG_ENOUGH: f64 = 8.0;
/// The same for what is left when the customer's own email and names are taken out.
const STRONG_WITHOUT_KNOWN: f64 = 6.0;
/// A password as typed, in Unicode NFC; never shown.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// A password that is to be checked against a hash: any text up to the longest.
    ///
    /// # Errors
    /// `null`, `type`, `format`, `too_long`.
    pub fn to_verify(value: &Json<'_>) -> Result<Self, Refusal> {
        Self::of_length(value, 0..=*LENGTH.end())
    }

    /// A password that is to be set. Its strength is another question: see [`Password::check_strength`].
    ///
    /// # Errors
    /// `null`, `type`, `format`, `too_short`, `too_long`.
    pub fn to_set(value: &Json<'_>) -> Result<Self, Refusal> {
        Self::of_length(value, LENGTH)
    }

    fn of_length(value: &Json<'_>, length: RangeInclusive<usize>) -> Result<Self, Refusal> {
        let password: String = value.text()?.nfc().collect();
        match password.chars().count() {
            count if count < *length.start() => Err(Refusal::too_short(*length.start() as u64)),
            count if count > *length.end() => Err(Refusal::too_long(*length.end() as u64)),
            _ => Ok(Self(password)),
        }
    }

    /// Whether both are the same text.
    pub fn equals(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Hashes on the calling thread, for the command line.
    ///
    /// # Errors
    /// The operating system's random numbers failed.
    pub fn hash(&self) -> Result<String, String> {
        let argon2 = argon2().map_err(|error| error.to_string())?;
        hash(&argon2, &self.0)
    }

    /// Estimates how many guesses it takes, of somebody who knows the customer.
    ///
    /// # Errors
    /// `password_weak` with a hint that helps.
    pub fn check_strength(&self, known: &[&str]) -> Result<(), Refusal> {
        let known: Vec<&str> = known.iter().flat_map(|text| pieces(text)).collect();
        let looked_at = self.0.char_indices().nth(ESTIMATED).map_or(self.0.as_str(), |(end, _)| &self.0[..end]);
        let estimate = zxcvbn::zxcvbn(looked_at, &known);
        let own_part = without(looked_at, &known)
            .is_none_or(|rest| zxcvbn::zxcvbn(&rest, &[]).guesses_log10() >= STRONG_WITHOUT_KNOWN);
        if estimate.guesses_log10() >= STRONG_ENOUGH && own_part {
            return Ok(());
        }
        if !own_part {
            return Err(weak("Use more than your own email and names."));
        }
        let feedback = estimate.feedback();
        let warning = feedback.and_then(|feedback| feedback.warning()).map(|warning| warning.to_string());
        let advice = feedback.and_then(|feedback| feedback.suggestions().first().map(ToString::to_string));
        let hint = warning.or(advice).unwrap_or_else(|| "Use a few uncommon words.".into());
        Err(weak(&hint))
    }
}

fn weak(hint: &str) -> Refusal {
    Refusal::new(FieldCode::PasswordWeak, format!("This password is too easily guessed. {hint}"))
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
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    std::iter::once(text).filter(|text| !text.is_empty()).chain(words)
}

type Job = Box<dyn FnOnce(&Argon2<'static>) + Send>;

/// The threads that hash.
pub struct Passwords {
    threads: Threads<Job>,
    /// What an unknown email is checked against, so that it costs the same.
    nobody: String,
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system refused a thread, or its random numbers.
    pub fn start(settings: &settings::Auth) -> std::io::Result<Self> {
        let count = match settings.password_threads {
            0 => threads::cores(),
            given => given,
        };
        let argon2 = argon2().map_err(|error| std::io::Error::other(error.to_string()))?;
        let nobody = of_nobody(&argon2).map_err(|error| std::io::Error::other(error.to_string()))?;
        let threads = Threads::start("passwords", count, settings.password_queue, move |jobs: Receiver<Job>| {
            for job in jobs {
                job(&argon2);
            }
        })?;
        Ok(Self { threads, nobody })
    }

    /// Hashes a password that is to be set.
    ///
    /// # Errors
    /// 503 when the queue is full.
    pub async fn hash(&self, password: Password) -> Result<String, Problem> {
        self.run(move |argon2| hash(argon2, &password.0)).await?.map_err(Problem::Internal)
    }

    /// Checks a password that is to be set against what is known of the customer, and hashes it.
    ///
    /// # Errors
    /// `password_weak`, or 503 when the queue is full.
    pub async fn check_and_hash(
        &self,
        password: Password,
        known: Vec<String>,
    ) -> Result<Result<String, Refusal>, Problem> {
        let checked = self.run(move |argon2| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            password.check_strength(&known).map(|()| hash(argon2, &password.0))
        });
        match checked.await? {
            Ok(hashed) => hashed.map(Ok).map_err(Problem::Internal),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Checks a password against a stored hash; without one it costs the same and fails. Yields a new hash to store
    /// where the stored one is weaker than one made today.
    ///
    /// # Errors
    /// [`Problem::BadCredentials`], or 503 when the queue is full.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Option<String>, Problem> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let outcome = self.run(move |argon2| match verify(argon2, &password.0, &stored) {
            Verdict::Wrong => Ok(None),
            Verdict::Right => Ok(Some(None)),
            Verdict::Outdated => hash(argon2, &password.0).map(|fresh| Some(Some(fresh))),
        });
        match outcome.await?.map_err(Problem::Internal)? {
            Some(fresh) if known => Ok(fresh),
            _ => Err(Problem::BadCredentials),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (answer, outcome) = Answer::new();
        let job: Job = Box::new(move |argon2| {
            // A client that went away is not worth 19 MiB.
            answer.give_if_wanted(|| work(argon2));
        });
        self.threads.admit(job).map_err(|_| Problem::Overloaded)?;
        outcome.receive().await.ok_or_else(|| Problem::Internal("a password thread dropped its work".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weak(password: &str) -> bool {
        Password(password.into()).check_strength(&["john.doe@example.com", "John", "Doe"]).is_err()
    }

    #[test]
    fn guessable_passwords_are_weak_and_uncommon_ones_are_not() {
        for password in ["password1", "12345678", "john.doe@example.com", "qwertyuiop", "asdfghjkl", "johndoe1990"] {
            assert!(weak(password), "{password}");
        }
        for password in ["SecureP@ssw0rd123", "correct horse battery staple", "zQ8#kd02!plm"] {
            assert!(!weak(password), "{password}");
        }
    }
}
