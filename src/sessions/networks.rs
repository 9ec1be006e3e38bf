//! The networks from which customers have signed in to an account.

use crate::http::ClientNetwork;

/// The most networks of an account. Beyond it, the one with the oldest sign-in is dropped.
const MOST: usize = 16;

/// The list as it is stored: one text, separated by spaces, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks(String);

impl From<Option<String>> for Networks {
    fn from(stored: Option<String>) -> Self {
        Self(stored.unwrap_or_default())
    }
}

impl Networks {
    /// Returns whether no network is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the network has signed in.
    pub(crate) fn contain(&self, network: ClientNetwork) -> bool {
        let network = network.to_string();
        self.0.split(' ').any(|known| known == network)
    }

    /// Returns the list to store after a sign-in, or `None` if it does not change.
    pub(crate) fn after_sign_in(&self, network: ClientNetwork) -> Option<String> {
        let network = network.to_string();
        let others = self.0.split(' ').filter(|known| !known.is_empty() && *known != network);
        let list: Vec<&str> = std::iter::once(network.as_str()).chain(others).take(MOST).collect();
        let list = list.join(" ");
        (list != self.0).then_some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u8) -> ClientNetwork {
        ClientNetwork::of([192, 0, number, 7].into())
    }

    #[test]
    fn the_latest_sixteen_networks_are_kept() {
        let mut networks = Networks::default();
        assert_eq!(networks.after_sign_in(network(0)).as_deref(), Some("192.0.0.0/24"));
        for number in 0..20 {
            networks = networks.after_sign_in(network(number)).into();
            assert_eq!(networks.after_sign_in(network(number)), None);
            // The first network signs in again each time, and stays.
            networks = networks.after_sign_in(network(0)).or(Some(networks.0)).into();
        }
        let kept: Vec<u8> = (0..20).filter(|number| networks.contain(network(*number))).collect();
        assert_eq!(kept, std::iter::once(0).chain(5..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_network_is_not_taken_for_another_that_begins_alike() {
        let networks = Networks::from(Some("192.0.20.0/24 2001:db8:10::/48".into()));
        assert!(networks.contain(network(20)) && !networks.contain(network(2)));
        assert!(!networks.contain(ClientNetwork::of([0x2001, 0xdb8, 1, 0, 0, 0, 0, 1].into())));
    }
}
