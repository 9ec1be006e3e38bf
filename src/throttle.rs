//! Throttling of what guesses and floods go for: sign-in, registration, refresh, password change.
//!
//! Two token buckets a try, one for the client's address and one for the account. Nobody is locked out: an
//! exhausted bucket fills again while one waits, whatever others send.

use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::problem::Problem;
use crate::settings::{self, Network};

/// What is throttled; each is counted apart.
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
}

/// A client's network: an IPv4 address, or the /64 that one IPv6 subscriber has.
type Client = u64;

/// The buckets. Their number is bounded by [`Throttle::forget_idle`]; a key has 16 bytes, whatever was sent.
pub struct Throttle {
    enabled: bool,
    trusted_proxies: Vec<Network>,
    clients: DefaultKeyedRateLimiter<(Action, Client)>,
    accounts: DefaultKeyedRateLimiter<(Action, u64)>,
    /// Keyed, so that nobody can choose accounts that share a bucket.
    hasher: RandomState,
    clock: DefaultClock,
}

/// More buckets than this are swept at once instead of at the next round.
const MOST_BUCKETS: usize = 200_000;

fn quota(burst: u32, per_minute: u32) -> Quota {
    let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(positive(per_minute)).allow_burst(positive(burst))
}

impl Throttle {
    /// Empty buckets with the configured quotas.
    pub fn new(settings: &settings::Throttle) -> Self {
        Self {
            enabled: settings.enabled,
            trusted_proxies: settings.trusted_proxies.clone(),
            clients: RateLimiter::keyed(quota(settings.address_burst, settings.address_per_minute)),
            accounts: RateLimiter::keyed(quota(settings.account_burst, settings.account_per_minute)),
            hasher: RandomState::new(),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a try by a client's address.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn by_address(&self, action: Action, client: &ClientAddress) -> Result<(), Problem> {
        let network = match client.0 {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX),
        };
        self.check(&self.clients, (action, network))
    }

    /// Counts a try for an account, named by its canonical email or its id.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn by_account(&self, action: Action, account: &str) -> Result<(), Problem> {
        self.check(&self.accounts, (action, self.hasher.hash_one(account)))
    }

    fn check(&self, buckets: &DefaultKeyedRateLimiter<(Action, u64)>, key: (Action, u64)) -> Result<(), Problem> {
        if !self.enabled {
            return Ok(());
        }
        if buckets.len() > MOST_BUCKETS {
            buckets.retain_recent();
        }
        buckets.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            Problem::TooManyRequests(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
        })
    }

    /// Drops the buckets that are full again.
    pub fn forget_idle(&self) {
        for buckets in [&self.clients, &self.accounts] {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
    }

    /// The address of the client: the peer's, or the nearest that a trusted proxy tells of.
    fn client(&self, peer: IpAddr, forwarded: &[&str]) -> IpAddr {
        let is_trusted = |address: &IpAddr| self.trusted_proxies.iter().any(|network| network.0.contains(address));
        let mut client = peer;
        // From the right: each entry was added by the hop that the one before it names.
        for entry in forwarded.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !is_trusted(&client) {
                break;
            }
            match entry.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        client
    }
}

/// Extracts the address that tries are counted for.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(IpAddr);

impl FromRequest for ClientAddress {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let peer = request.peer_addr().map(|address| address.ip().to_canonical());
        let forwarded: Vec<&str> =
            request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
        let throttle = request.app_data::<web::Data<Throttle>>();
        ready(match (peer, throttle) {
            (Some(peer), Some(throttle)) => Ok(Self(throttle.client(peer, &forwarded))),
            _ => Err(Problem::Internal("the peer's address or the throttle is missing".into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(proxies: &[&str]) -> Throttle {
        let list = proxies.iter().filter_map(|text| text.parse().ok()).map(Network).collect();
        Throttle::new(&settings::Throttle {
            enabled: true,
            address_burst: 2,
            address_per_minute: 1,
            account_burst: 2,
            account_per_minute: 1,
            trusted_proxies: list,
        })
    }

    fn client(throttle: &Throttle, peer: &str, forwarded: &[&str]) -> Option<String> {
        peer.parse().ok().map(|peer| throttle.client(peer, forwarded).to_string())
    }

    #[test]
    fn forwarded_addresses_are_believed_only_from_trusted_proxies() {
        let throttle = throttle(&["10.0.0.0/8"]);
        assert_eq!(client(&throttle, "192.0.2.1", &["198.51.100.7"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(&throttle, "10.0.0.1", &["198.51.100.7"]).as_deref(), Some("198.51.100.7"));
        let spoofed = ["203.0.113.9, 198.51.100.7, 10.0.0.2"];
        assert_eq!(client(&throttle, "10.0.0.1", &spoofed).as_deref(), Some("198.51.100.7"));
        assert_eq!(client(&throttle, "10.0.0.1", &["nonsense"]).as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn one_subscriber_s_ipv6_addresses_share_a_bucket_and_actions_do_not() {
        let throttle = throttle(&[]);
        let try_from = |text: &str, action| {
            text.parse().map(|address| throttle.by_address(action, &ClientAddress(address)).is_ok()).ok()
        };
        assert_eq!(try_from("2001:db8::1", Action::SignIn), Some(true));
        assert_eq!(try_from("2001:db8::2", Action::SignIn), Some(true));
        assert_eq!(try_from("2001:db8::3", Action::SignIn), Some(false));
        assert_eq!(try_from("2001:db8::3", Action::Refresh), Some(true));
        assert_eq!(try_from("2001:db8:0:1::3", Action::SignIn), Some(true));
    }
}
