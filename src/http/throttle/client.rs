//! The address and the network of a request's client.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use ipnet::IpNet;

use crate::http::problem::Problem;
use crate::settings::Network;

/// Only this header is read; `Forwarded` (RFC 7239) is not.
const FORWARDED: &str = "x-forwarded-for";

/// The client's address: the peer's, or the nearest one that a trusted proxy names.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub(super) IpAddr);

/// The network of an address, which one household, office or carrier shares: an IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(IpNet);

impl ClientAddress {
    /// Returns the network of the address.
    pub fn network(self) -> ClientNetwork {
        ClientNetwork::of(self.0)
    }

    /// Returns the address, or the /64 of an IPv6 subscriber, as a number.
    pub(super) fn subscriber(self) -> u64 {
        match self.0 {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX),
        }
    }
}

impl ClientNetwork {
    /// Returns the network of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        let bits = if address.is_ipv4() { 24 } else { 48 };
        Self(IpNet::new(address, bits).map_or(IpNet::from(address), |network| network.trunc()))
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The proxies whose `X-Forwarded-For` is trusted.
pub(super) struct Proxies {
    trusted: Vec<Network>,
    warned: AtomicBool,
}

impl Proxies {
    pub(super) fn new(trusted: Vec<Network>) -> Self {
        Self { trusted, warned: AtomicBool::new(false) }
    }

    /// Returns the address of a request's client.
    ///
    /// # Errors
    /// [`Problem::Internal`] for a request that did not come from a socket.
    pub(super) fn client(&self, request: &HttpRequest) -> Result<ClientAddress, Problem> {
        let peer = request.peer_addr().ok_or_else(|| Problem::Internal("the peer has no address".into()))?;
        let forwarded: Vec<_> = request.headers().get_all(FORWARDED).map(HeaderValue::as_bytes).collect();
        Ok(ClientAddress(self.nearest(peer.ip().to_canonical(), &forwarded)))
    }

    fn trusts(&self, address: &IpAddr) -> bool {
        self.trusted.iter().any(|network| network.0.contains(address))
    }

    /// Returns the address nearest to the peer that is not a trusted proxy. Each proxy appends the address of its own
    /// client, so this walks the entries from the right while the hops are trusted. An entry that is not an address
    /// ends the walk.
    fn nearest(&self, peer: IpAddr, forwarded: &[&[u8]]) -> IpAddr {
        if !forwarded.is_empty() && !self.trusts(&peer) {
            self.warn();
        }
        let mut client = peer;
        for entry in forwarded.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            if !self.trusts(&client) {
                break;
            }
            match address(entry) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        client
    }

    /// Warns only once, because any client can send the header. Does not log the address, which may be a customer's.
    fn warn(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!(
                "X-Forwarded-For came from an address that throttle.trusted_proxies does not name, and was ignored: \
                 behind a proxy that is not named there, all clients are throttled as one"
            );
        }
    }
}

/// Parses an entry: an address with or without a port. An IPv6 address may be in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let plain = entry.parse::<IpAddr>().ok();
    plain.or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip())).or_else(|| bracketed().map(IpAddr::V6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:ff::/48"];
        let proxies = Proxies::new(trusted.iter().filter_map(|text| text.parse().ok()).map(Network).collect());
        let lines: Vec<&[u8]> = forwarded.iter().map(|line| line.as_bytes()).collect();
        peer.parse().map_or_else(|_| "no peer".into(), |peer| proxies.nearest(peer, &lines).to_string())
    }

    #[test]
    fn forwarded_addresses_are_believed_only_from_trusted_proxies() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.7", "10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn an_entry_may_have_a_port_and_brackets() {
        for (entry, expected) in [
            ("198.51.100.7:40007", "198.51.100.7"),
            (" 198.51.100.7\t", "198.51.100.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:443", "198.51.100.7"),
            ("203.0.113.9:1, 198.51.100.7:2, [2001:db8:ff::2]:3", "198.51.100.7"),
        ] {
            assert_eq!(client("10.0.0.1", &[entry]), expected, "{entry}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        for entry in [
            "nonsense",
            "",
            "unknown",
            "_hidden",
            "\"198.51.100.7\"",
            "\"[2001:db8::1]:443\"",
            "for=198.51.100.7",
            "198.51.100.7:",
            "198.51.100.7:99999",
            "198.51.100.7:x",
            "198.51.100",
            "198.51.100.007",
            "[198.51.100.7]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "fe80::1%eth0",
            "é",
        ] {
            assert_eq!(client("10.0.0.1", &[entry]), "10.0.0.1", "{entry}");
            assert_eq!(client("10.0.0.1", &["203.0.113.9", entry]), "10.0.0.1", "{entry}");
            assert_eq!(client("10.0.0.1", &[&format!("203.0.113.9, {entry}, 10.0.0.2")]), "10.0.0.2", "{entry}");
        }
        // A line that is not UTF-8 still ends the walk.
        let trusted = Proxies::new("10.0.0.0/8".parse().map(Network).into_iter().collect());
        let lines: [&[u8]; 2] = [b"203.0.113.9", b"\xff"];
        assert_eq!(trusted.nearest(IpAddr::from([10, 0, 0, 1]), &lines), IpAddr::from([10, 0, 0, 1]));
        let lines: [&[u8]; 2] = [b"203.0.113.9", b"\xff, 198.51.100.7"];
        assert_eq!(trusted.nearest(IpAddr::from([10, 0, 0, 1]), &lines), IpAddr::from([198, 51, 100, 7]));
    }

    #[test]
    fn a_network_is_24_bits_of_ipv4_and_48_of_ipv6() {
        for (address, expected) in [
            ("198.51.100.7", "198.51.100.0/24"),
            ("2001:db8:1:2::7", "2001:db8:1::/48"),
            ("2001:db8:1:ffff::", "2001:db8:1::/48"),
        ] {
            let network = address.parse().map(|address| ClientAddress(address).network().to_string());
            assert_eq!(network.as_deref(), Ok(expected));
        }
    }
}
