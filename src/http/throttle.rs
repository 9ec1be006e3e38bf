//! Throttles actions that attract guessing and floods: sign-in, registration, refresh, recovery, changes of password
//! and email.
//!
//! Every attempt counts for the client's address, before the body is read. Password guesses that fail count for the
//! account too. They do not lock the owner out: each network that has signed in to the account before has its own
//! bucket, and only the others share the account's bucket ([`Throttle::guess`]).

mod buckets;
mod client;
mod mails;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};

use self::buckets::{Buckets, MINUTE};
use self::client::Proxies;
pub use self::client::{ClientAddress, ClientNetwork};
use super::problem::Problem;
use crate::metrics::{Metrics, Throttled};
use crate::settings;

/// A throttled action. Each has its own buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `POST /auth/token/`
    SignIn,
    /// `POST /api/v1/customers/`
    Registration,
    /// `POST /auth/token/refresh/`
    Refresh,
    /// `POST /api/v1/customers/{id}/password/`
    PasswordChange,
    /// `PUT` and `PATCH` of a customer and `POST …/email/`, where they change the email or find it taken
    EmailChange,
    /// `POST /auth/password/forgot/`
    Recovery,
    /// The routes that use a link: `POST /auth/password/reset/`, `/auth/email/verify/` and `/auth/email/revert/`
    Link,
    /// `POST …/email/verification/`, and sign-ins that mail a verification link
    Verification,
}

impl Action {
    /// All actions, in their order.
    const ALL: [Self; 8] = [
        Self::SignIn,
        Self::Registration,
        Self::Refresh,
        Self::PasswordChange,
        Self::EmailChange,
        Self::Recovery,
        Self::Link,
        Self::Verification,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Registration => "registration",
            Self::Refresh => "refresh",
            Self::PasswordChange => "password_change",
            Self::EmailChange => "email_change",
            Self::Recovery => "recovery",
            Self::Link => "link",
            Self::Verification => "verification",
        }
    }
}

/// An action and a hash of the client or account. A key has 16 bytes, however long the client's input is.
type Key = (Action, u64);

/// The buckets of addresses and accounts. Each process has its own.
pub struct Throttle {
    enabled: bool,
    proxies: Proxies,
    addresses: Buckets<Key>,
    accounts: Buckets<Key>,
    /// Mails that a client can cause, by the account or the mailbox that gets them.
    mails: Buckets<Key>,
    /// Randomly keyed, so that nobody can choose accounts that share a bucket.
    hasher: RandomState,
    /// By action.
    throttled: [Throttled; Action::ALL.len()],
}

impl Throttle {
    /// Creates the throttle with the configured quotas.
    pub fn new(settings: &settings::Throttle, metrics: &Metrics) -> Self {
        Self {
            enabled: settings.enabled,
            proxies: Proxies::new(settings.trusted_proxies.clone()),
            addresses: Buckets::new(settings.address_burst, settings.address_per_minute, MINUTE),
            accounts: Buckets::new(settings.account_burst, settings.account_per_minute, MINUTE),
            mails: Buckets::new(settings.mail_burst, settings.mail_per_hour, 60 * MINUTE),
            hasher: RandomState::new(),
            throttled: Action::ALL.map(|action| metrics.throttle.action(action.name())),
        }
    }

    /// Returns the address of a request's client: the peer's, or the nearest one that a trusted proxy names.
    ///
    /// # Errors
    /// [`Problem::Internal`] for a request that did not come from a socket.
    pub fn client(&self, request: &HttpRequest) -> Result<ClientAddress, Problem> {
        self.proxies.client(request)
    }

    /// Counts an attempt for a client's address.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub(crate) fn by_address(&self, action: Action, client: ClientAddress) -> Result<(), Problem> {
        self.take_for_address(action, client).map_err(|exceeded| self.refuse(&exceeded))
    }

    fn take_for_address(&self, action: Action, client: ClientAddress) -> Result<(), Exceeded> {
        if !self.enabled {
            return Ok(());
        }
        self.addresses.take((action, client.subscriber()), Instant::now()).map_err(Exceeded::of_address(action))
    }

    /// Counts an attempt for an account, regardless of the client.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn by_account(&self, action: Action, account: &str) -> Result<(), Problem> {
        self.take_for_account(action, account).map_err(|exceeded| self.refuse(&exceeded))
    }

    fn take_for_account(&self, action: Action, account: &str) -> Result<(), Exceeded> {
        if !self.enabled {
            return Ok(());
        }
        let key = self.account(action, account, None);
        self.accounts.take(key, Instant::now()).map_err(Exceeded::of_account(action))
    }

    /// Checks that neither the address nor the account has used up its quota. Counts nothing.
    ///
    /// # Errors
    /// Which quota is exceeded. A request that is told so is [refused](Self::refuse).
    pub fn peek(&self, action: Action, account: &str, client: ClientAddress) -> Result<(), Exceeded> {
        if !self.enabled {
            return Ok(());
        }
        let now = Instant::now();
        let key = self.account(action, account, None);
        self.addresses.peek(&(action, client.subscriber()), now).map_err(Exceeded::of_address(action))?;
        self.accounts.peek(&key, now).map_err(Exceeded::of_account(action))
    }

    /// The reply to a request beyond a quota: [`Problem::TooManyRequests`].
    pub fn refuse(&self, exceeded: &Exceeded) -> Problem {
        if let Some(throttled) = self.throttled.get(exceeded.action as usize) {
            match exceeded.quota {
                Quota::Address => throttled.address.inc(),
                Quota::Account => throttled.account.inc(),
            };
        }
        Problem::TooManyRequests(u32::try_from(exceeded.wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// Counts an attempt that [`peek`](Self::peek) admitted. Concurrent attempts may exceed the quota.
    pub fn count(&self, action: Action, account: &str, client: ClientAddress) {
        let counted = self.take_for_address(action, client).and(self.take_for_account(action, account));
        if counted.is_err() {
            log::debug!("concurrent attempts exceeded the quota");
        }
    }

    /// Counts a guess for the pair of account and network, and for the account unless the network is `known`, which
    /// means that it has signed in to the account before. The guess stays counted unless it is taken back.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn guess(
        &self,
        action: Action,
        account: &str,
        network: ClientNetwork,
        known: bool,
    ) -> Result<Guess<'_>, Problem> {
        let mut guess = Guess { throttle: self, keys: Vec::new() };
        guess.count_for(action, self.account(action, account, Some(network)))?;
        if !known {
            guess.count_for(action, self.account(action, account, None))?;
        }
        Ok(guess)
    }

    /// Drops the buckets that are full again.
    pub fn forget_idle(&self) {
        let now = Instant::now();
        self.addresses.forget_full(now);
        self.accounts.forget_full(now);
        self.mails.forget_full(now);
    }

    fn account(&self, action: Action, account: &str, network: Option<ClientNetwork>) -> Key {
        (action, self.hasher.hash_one((account, network)))
    }
}

/// A counted guess. Dropping it does not take it back: a client that disconnects before the reply has guessed too.
pub struct Guess<'a> {
    throttle: &'a Throttle,
    keys: Vec<Key>,
}

impl Guess<'_> {
    fn count_for(&mut self, action: Action, key: Key) -> Result<(), Problem> {
        if self.throttle.enabled {
            self.throttle.accounts.take(key, Instant::now()).map_err(|wait| {
                // The guess is not made, so it must not count.
                self.keys.drain(..).for_each(|key| self.throttle.accounts.give_back(&key));
                self.throttle.refuse(&Exceeded { action, quota: Quota::Account, wait })
            })?;
            self.keys.push(key);
        }
        Ok(())
    }

    /// Takes the guess back, because it was right or was not made.
    pub fn take_back(self) {
        for key in &self.keys {
            self.throttle.accounts.give_back(key);
        }
    }
}

/// A quota that is used up.
#[derive(Debug)]
pub struct Exceeded {
    action: Action,
    quota: Quota,
    wait: Duration,
}

/// Whose quota.
#[derive(Debug)]
enum Quota {
    Address,
    /// Of guesses, or of mails.
    Account,
}

impl Exceeded {
    fn of_address(action: Action) -> impl FnOnce(Duration) -> Self {
        move |wait| Self { action, quota: Quota::Address, wait }
    }

    fn of_account(action: Action) -> impl FnOnce(Duration) -> Self {
        move |wait| Self { action, quota: Quota::Account, wait }
    }
}

/// The middleware of a throttled route. Counts the request for the client's address before the body is read, and
/// replies 429 if there were too many.
///
/// # Errors
/// The handler's.
pub(crate) async fn by_address<B: MessageBody>(
    throttle: Arc<Throttle>,
    action: Action,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let client = throttle.client(request.request());
    match client.and_then(|client| throttle.by_address(action, client)) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request.error_response(problem).map_into_right_body()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        let settings = settings::Throttle {
            enabled: true,
            address_burst: 2,
            address_per_minute: 1,
            account_burst: 2,
            account_per_minute: 1,
            mail_burst: 2,
            mail_per_hour: 6,
            trusted_proxies: Vec::new(),
        };
        Throttle::new(&settings, &Metrics::default())
    }

    fn network(text: &str) -> ClientNetwork {
        ClientAddress(text.parse().unwrap_or_else(|_| [0, 0, 0, 0].into())).network()
    }

    #[test]
    fn one_subscriber_s_ipv6_addresses_share_a_bucket_and_actions_do_not() {
        let throttle = throttle();
        let try_from = |text: &str, action| {
            text.parse().map(|address| throttle.by_address(action, ClientAddress(address)).is_ok()).ok()
        };
        assert_eq!(try_from("2001:db8::1", Action::SignIn), Some(true));
        assert_eq!(try_from("2001:db8::2", Action::SignIn), Some(true));
        assert_eq!(try_from("2001:db8::3", Action::SignIn), Some(false));
        assert_eq!(try_from("2001:db8::3", Action::Refresh), Some(true));
        assert_eq!(try_from("2001:db8:0:1::3", Action::SignIn), Some(true));
    }

    #[test]
    fn a_guess_counts_unless_it_is_taken_back() {
        let throttle = throttle();
        let guess = || throttle.guess(Action::SignIn, "ann", network("192.0.2.1"), false);
        for _ in 0..5 {
            let under_way = (guess(), guess());
            assert!(guess().is_err());
            assert!(under_way.0.map(Guess::take_back).is_ok() && under_way.1.map(Guess::take_back).is_ok());
        }
        for _ in 0..2 {
            assert!(guess().map(drop).is_ok());
        }
        assert!(guess().is_err());
    }

    #[test]
    fn guesses_from_many_networks_leave_a_known_network_its_own_bucket() {
        let throttle = throttle();
        let guess = |from: String, known| throttle.guess(Action::SignIn, "ann", network(&from), known);
        let allowed = (0..200).filter(|n| guess(format!("203.0.{n}.1"), false).map(drop).is_ok()).count();
        assert_eq!(allowed, 2);
        for _ in 0..2 {
            assert!(guess("192.0.2.1".into(), true).map(drop).is_ok());
        }
        assert!(guess("192.0.2.9".into(), true).is_err());
        assert!(guess("198.51.100.1".into(), true).is_ok());
    }
}
