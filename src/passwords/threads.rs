//! Runs Argon2id and the strength estimate on dedicated threads with a bounded queue.
//!
//! A flood of sign-ins fills the queue and gets 503. It does not block the event loop, and its memory is bounded by
//! threads × 19 MiB (256 MiB for the largest hash that can be imported).

use std::time::{Duration, Instant};

use argon2::Argon2;

use super::hash::{Verification, argon2, hash, of_nobody};
use super::value::Password;
use crate::http::{FieldErrors, Problem};
use crate::metrics::Metrics;
use crate::settings;
use crate::threads::{self, Limits, Places, Rejected, Reply, Ticket, Workers};

type Job = Box<dyn FnOnce(&Argon2<'static>) + Send>;

/// The queue is short, so these are reached only if the process gets almost no processor time.
const LIMITS: Limits = Limits { wait: Duration::from_secs(10), work: Duration::from_secs(20) };

/// The result for a right password.
#[derive(Debug)]
pub struct Verified {
    /// A new hash to store, if the stored one is weaker than a new one.
    pub fresh: Option<String>,
}

/// The result for a wrong password. The reply must wait until a configured time after the check began. Otherwise the
/// time of the check would reveal an imported hash, which is slower to check than the hash used for an unknown email.
#[derive(Debug)]
#[must_use = "the reply to a wrong password must be delayed"]
pub struct Wrong {
    reply_at: Instant,
}

impl Wrong {
    /// Waits until the reply may be sent. Callers record the failure before, because the client may disconnect
    /// meanwhile.
    pub async fn wait(self) {
        actix_rt::time::sleep_until(self.reply_at.into()).await;
    }
}

/// The kind of client that a password is hashed or checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A client whose network has signed in to the account before.
    Known,
    /// Any other client.
    Stranger,
}

impl Client {
    /// Returns the kind of a client, given whether its network is known to the account.
    pub fn from_known_network(known: bool) -> Self {
        if known { Self::Known } else { Self::Stranger }
    }

    /// Returns the share of the queue that the client uses. All strangers have one share; known clients have no limit.
    fn share(self) -> Option<i64> {
        (self == Self::Stranger).then_some(0)
    }
}

/// The password threads.
pub struct Passwords {
    threads: Workers<Job>,
    wrong_password_time: Duration,
    /// The hash that the password for an unknown email is checked against, so that the check costs the same.
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
        // Strangers leave a quarter of the places to clients whose networks have signed in before.
        let places = Places::with_share(settings.password_queue, (settings.password_queue * 3).div_ceil(4));
        let queue = metrics.queues.queue("passwords");
        let threads = Workers::<Job>::start("passwords", count, places, LIMITS, queue, move |jobs, progress| {
            for (job, _, place) in jobs.iter().filter_map(Ticket::begin) {
                // The setting limits only waiting jobs.
                drop(place);
                progress.watch(|| job(&argon2));
                if progress.is_replaced() {
                    return;
                }
            }
        })?;
        let wrong_password_time = Duration::from_millis(settings.wrong_password_milliseconds);
        Ok(Self { threads, wrong_password_time, nobody })
    }

    /// Checks the strength of a new password, given the `known` texts about the customer, and hashes it unless `errors`
    /// already has an error.
    ///
    /// # Errors
    /// 422 with `errors`, and with `password_weak` at `pointer` if the password is weak. 503 if the queue is full.
    pub async fn hash_new(
        &self,
        client: Client,
        password: Password,
        pointer: &str,
        known: Vec<String>,
        mut errors: FieldErrors,
    ) -> Result<String, Problem> {
        let must_hash = errors.is_empty();
        let checked = self.run(client, move |argon2| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            password.check_strength(&known)?;
            Ok(must_hash.then(|| hash(argon2, password.normal())).transpose())
        });
        match errors.keep(pointer, checked.await?) {
            Some(hashed) => Ok(errors.into_result(hashed.map_err(Problem::Internal)?)?),
            None => Err(errors.into()),
        }
    }

    /// Checks a password against a stored hash. Without a hash the check fails and costs the same.
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
            (_, began) => Ok(Err(Wrong { reply_at: began + self.wrong_password_time })),
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
