//! Passwords: Argon2id and the estimate of their strength, on threads of their own behind a bounded queue.
//!
//! A flood of sign-ins fills the queue and is answered 503; it takes neither the event loop nor, beyond
//! threads × 19 MiB, memory.

use std::time::{Duration, Instant};

use argon2::Argon2;

use super::hash::{Verification, argon2, hash, of_nobody};
use super::value::Password;
use crate::http::{FieldErrors, Problem};
use crate::metrics::Metrics;
use crate::settings;
use crate::threads::{self, Limits, Places, Rejected, Reply, Ticket, Workers};

type Job = Box<dyn FnOnce(&Argon2<'static>) + Send>;

/// The queue is short, so that these are only reached where the machine has no time for this process.
const LIMITS: Limits = Limits { wait: Duration::from_secs(10), work: Duration::from_secs(20) };

/// The password was right.
#[derive(Debug)]
pub struct Verified {
    /// A hash to store, where the stored one is weaker than one made today.
    pub fresh: Option<String>,
}

/// The password was wrong. That is told no sooner than a configured time after the check began: what an imported hash
/// costs to check would tell it from an unknown email.
#[derive(Debug)]
#[must_use = "a wrong password is told after a wait"]
pub struct Wrong {
    to_be_told: Instant,
}

impl Wrong {
    /// Waits until it may be told. What is to be kept of the failure is kept before: the client may go away meanwhile.
    pub async fn wait(self) {
        actix_rt::time::sleep_until(self.to_be_told.into()).await;
    }
}

/// Who asks for a password to be hashed or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Somebody whose network has signed in to the account before.
    Known,
    /// Anybody else.
    Stranger,
}

impl Client {
    /// A known network's client is that, another one a stranger.
    pub fn from_known_network(known: bool) -> Self {
        if known { Self::Known } else { Self::Stranger }
    }

    /// Strangers share the places that one customer may have elsewhere.
    fn share(self) -> Option<i64> {
        (self == Self::Stranger).then_some(0)
    }
}

/// The threads that hash.
pub struct Passwords {
    threads: Workers<Job>,
    wrong_password_time: Duration,
    /// What an unknown email is checked against, so that it costs the same.
    nobody: String,
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system refused a thread, or its random numbers.
    pub fn start(settings: &settings::Auth, metrics: &Metrics) -> std::io::Result<Self> {
        let count = match settings.password_threads {
            0 => threads::cores(),
            given => given,
        };
        let argon2 = argon2().map_err(|error| std::io::Error::other(error.to_string()))?;
        let nobody = of_nobody(&argon2).map_err(|error| std::io::Error::other(error.to_string()))?;
        // What strangers ask for leaves a quarter of the places to those who have signed in before.
        let places = Places::with_share(settings.password_queue, (settings.password_queue * 3).div_ceil(4));
        let queue = metrics.queues.queue("passwords");
        let threads = Workers::<Job>::start("passwords", count, places, LIMITS, queue, move |jobs, progress| {
            for (job, _, place) in jobs.iter().filter_map(Ticket::begin) {
                // The setting counts those that wait.
                drop(place);
                progress.watch(|| job(&argon2));
                if progress.is_given_up() {
                    return;
                }
            }
        })?;
        let wrong_password_time = Duration::from_millis(settings.wrong_password_milliseconds);
        Ok(Self { threads, wrong_password_time, nobody })
    }

    /// Judges a password that is to be set beside what is known of the customer, and hashes it unless something else of
    /// the body is wrong already.
    ///
    /// # Errors
    /// 422 with `errors` and with `password_weak` at `pointer`, or 503 when the queue is full.
    pub async fn hash_new(
        &self,
        client: Client,
        password: Password,
        pointer: &str,
        known: Vec<String>,
        mut errors: FieldErrors,
    ) -> Result<String, Problem> {
        let is_wanted = errors.is_empty();
        let judged = self.run(client, move |argon2| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            password.check_strength(&known)?;
            Ok(is_wanted.then(|| hash(argon2, password.normal())).transpose())
        });
        match errors.keep(pointer, judged.await?) {
            Some(hashed) => Ok(errors.into_result(hashed.map_err(Problem::Internal)?)?),
            None => Err(errors.into()),
        }
    }

    /// Checks a password against a stored hash; without one it costs the same and fails.
    ///
    /// # Errors
    /// 503 when the queue is full.
    pub async fn verify(
        &self,
        client: Client,
        password: Password,
        stored: Option<String>,
    ) -> Result<Result<Verified, Wrong>, Problem> {
        let is_somebody = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let checked = self.run(client, move |argon2| {
            let began = Instant::now();
            let verified = match password.verify(argon2, &stored) {
                Verification::Wrong => None,
                Verification::Right => Some(Ok(None)),
                Verification::Outdated => Some(hash(argon2, password.normal()).map(Some)),
            };
            (verified, began)
        });
        match checked.await? {
            (Some(fresh), _) if is_somebody => Ok(Ok(Verified { fresh: fresh.map_err(Problem::Internal)? })),
            (_, began) => Ok(Err(Wrong { to_be_told: began + self.wrong_password_time })),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        client: Client,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let job = |reply: Reply<T>| -> Job { Box::new(move |argon2| reply.send(work(argon2))) };
        self.threads.submit(client.share(), job).await.map_err(|rejected| match rejected {
            Rejected::Dropped => Problem::Internal("a password thread dropped its work".into()),
            _ => Problem::Overloaded,
        })
    }
}
