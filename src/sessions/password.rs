//! Passwords: Argon2id and the estimate of their strength, on threads of their own behind a bounded queue.
//!
//! A flood of sign-ins fills the queue and is answered 503; it takes neither the event loop nor, beyond
//! threads × 19 MiB, memory.

use std::ops::RangeInclusive;

use argon2::Argon2;
use crossbeam_channel::Receiver;
use unicode_normalization::UnicodeNormalization;

use super::hashing::{Verdict, argon2, hash, of_nobody, verify};
use super::strength;
use crate::answers::Answer;
use crate::body::{FieldCode, FieldErrors, Json, Refusal};
use crate::problem::Problem;
use crate::settings;
use crate::threads::{self, Threads};

/// Characters of a password.
const LENGTH: RangeInclusive<usize> = 8..=256;

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
            count if count < *length.start() => {
                Err(Refusal::new(FieldCode::TooShort, format!("At least {} characters are needed.", length.start())))
            }
            count if count > *length.end() => {
                Err(Refusal::new(FieldCode::TooLong, format!("At most {} characters are allowed.", length.end())))
            }
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

    /// Judges on the calling thread, for the command line, how many guesses it takes somebody who knows the customer.
    ///
    /// # Errors
    /// `password_weak` with a hint that helps.
    pub fn check_strength(&self, known: &[&str]) -> Result<(), Refusal> {
        strength::judge(&self.0, known)
    }
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

    /// Judges a password that is to be set beside what is known of the customer, and hashes it unless something else of
    /// the body is wrong already.
    ///
    /// # Errors
    /// 422 with `errors` and with `password_weak` at `pointer`, or 503 when the queue is full.
    pub async fn hash_new(
        &self,
        password: Password,
        pointer: &str,
        known: Vec<String>,
        mut errors: FieldErrors,
    ) -> Result<String, Problem> {
        let is_wanted = errors.is_empty();
        let judged = self.run(move |argon2| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            password.check_strength(&known)?;
            Ok(is_wanted.then(|| hash(argon2, &password.0)).transpose())
        });
        match errors.keep(pointer, judged.await?) {
            Some(hashed) => errors.into_result(hashed.map_err(Problem::Internal)?),
            None => errors.into_result(None),
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
