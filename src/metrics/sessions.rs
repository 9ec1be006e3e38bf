//! Metrics of sessions that begin and end.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::families::Counters;

/// The metrics of sessions. Sessions that end because their customer was erased, or because a newer session replaced
/// them, are not counted: those statements do not report their number.
#[derive(Clone)]
pub(crate) struct Sessions {
    /// Sign-ins.
    pub(crate) begun: Counter,
    /// Ended by the customer.
    pub(crate) signed_out: Counter,
    /// Ended because an old refresh token was used again.
    pub(crate) refresh_reused: Counter,
    /// Ended by a change of password.
    pub(crate) password_changed: Counter,
    /// Ended by a link that reset the password or reverted a change of the email.
    pub(crate) recovered: Counter,
    /// Deleted after they were idle for too long or reached their maximum age.
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
            recovered: ended("recovered"),
            expired: ended("expired"),
        }
    }
}
