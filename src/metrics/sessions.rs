//! Sessions that begin and end.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::families::Counters;

/// What is counted where it happens. Sessions that go with their customer's erasure, or make room for a newer one, are
/// not counted: nobody knows their number.
#[derive(Clone)]
pub(crate) struct Sessions {
    /// Sign-ins.
    pub(crate) begun: Counter,
    /// Ended by their owner.
    pub(crate) signed_out: Counter,
    /// Ended because an old refresh token was used again.
    pub(crate) refresh_reused: Counter,
    /// Ended by a new password.
    pub(crate) password_changed: Counter,
    /// Rested too long or came to their end, and were deleted.
    pub(crate) expired: Counter,
}

impl Sessions {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (begun, ended) = (Counter::default(), Counters::<1>::default());
        registry.register("sessions_begun", "Sessions that began with a sign-in", begun.clone());
        registry.register("sessions_ended", "Sessions that ended, by reason", ended.clone());
        let ended = |reason| ended.get_or_create_owned(&[("reason", reason)]);
        Self {
            begun,
            signed_out: ended("signed_out"),
            refresh_reused: ended("refresh_reused"),
            password_changed: ended("password_changed"),
            expired: ended("expired"),
        }
    }
}
