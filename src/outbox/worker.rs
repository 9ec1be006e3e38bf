//! Delivers mails, round by round.

use std::time::Duration;

use chrono::TimeDelta;
use crossbeam_channel::Receiver;
use tokio::runtime::Runtime;

use super::jobs::Jobs;
use super::prepared::{self, Prepared};
use super::queries::{self, Begun, Lease};
use super::upkeep::Upkeep;
use crate::db::Database;
use crate::ids::CustomerId;
use crate::mail::{Letter, Mailer, SendError};
use crate::metrics::Mails;
use crate::tokens::LinkTokens;

/// The pause when nothing is due.
const IDLE: Duration = Duration::from_millis(500);
/// The pause when the database is not available, and the first one when the mail server is not.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause when the mail server is not available.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How many connections in a row must break before the server counts as unavailable.
const INTERRUPTED: u32 = 3;
/// The longest pause before a mail is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// What the delivery needs.
pub(crate) struct Parts {
    pub(crate) database: Database,
    pub(crate) mailer: Mailer,
    pub(crate) tokens: LinkTokens,
    /// Where links lead, with a slash at the end.
    pub(crate) links: String,
    /// The first pause before a mail is tried again.
    pub(crate) retry: Duration,
    pub(crate) metrics: Mails,
}

/// The state of the delivery thread.
pub(super) struct Worker {
    jobs: Jobs,
    mailer: Mailer,
    tokens: LinkTokens,
    links: String,
    retry: Duration,
    metrics: Mails,
    upkeep: Upkeep,
    /// The last pause, while the mail server is not available.
    pause: Option<Duration>,
    /// How many connections in a row broke while a mail was sent.
    interrupted: u32,
}

/// Whether the rest of a round is worth trying.
enum Server {
    Available,
    /// No mail was sent, or the connection broke. Holds the reason.
    Unavailable(String),
}

impl Worker {
    pub(super) fn new(parts: Parts, runtime: Runtime, stopped: Receiver<()>) -> Self {
        let Parts { database, mailer, tokens, links, retry, metrics } = parts;
        let jobs = Jobs::new(database, runtime, stopped);
        Self { jobs, mailer, tokens, links, retry, metrics, upkeep: Upkeep::default(), pause: None, interrupted: 0 }
    }

    /// Delivers until the service stops.
    pub(super) fn run(&mut self) {
        let mut pause = Duration::ZERO;
        while !self.is_stopped_within(pause) {
            self.upkeep.run(&mut self.jobs, &self.metrics, self.mailer.folder());
            pause = self.round();
        }
    }

    /// Waits, and returns whether the service stops.
    pub(super) fn is_stopped_within(&self, pause: Duration) -> bool {
        self.jobs.is_stopped_within(pause)
    }

    /// Delivers some mails. Returns the pause before the next round.
    fn round(&mut self) -> Duration {
        let Some(taken) = self.jobs.write(queries::take) else { return FIRST_PAUSE };
        if taken.is_empty() {
            return IDLE;
        }
        let mut rest = taken;
        while !rest.is_empty() {
            if self.is_stopped_within(Duration::ZERO) {
                self.jobs.write(move |connection| queries::give_back(connection, &rest, None));
                return Duration::ZERO;
            }
            let row = rest.remove(0);
            if let Server::Unavailable(reason) = self.deliver(row) {
                return self.wait_for_server(rest, reason);
            }
        }
        Duration::ZERO
    }

    /// Delivers one mail, or notes why it was not delivered.
    fn deliver(&mut self, row: Lease) -> Server {
        let (tokens, links) = (self.tokens.clone(), self.links.clone());
        let keeps_files = self.mailer.folder().is_some();
        let prepared =
            self.jobs.insist(move |connection| prepared::prepare(connection, row, &tokens, &links, keeps_files));
        match prepared {
            None => {
                // Otherwise a mail with a defect would be tried for ever.
                if !self.is_stopped_within(Duration::ZERO) {
                    self.retry(row, i64::MAX, "a defect; the log has the reason".into());
                }
                Server::Available
            }
            Some(Prepared::Gone) => Server::Available,
            Some(Prepared::Dropped(kind, customer)) => {
                log::info!(outbox_id:% = row.id, customer_id = customer.map(CustomerId::get), kind = kind.name();
                    "a mail need not be sent any more");
                self.metrics.dropped.inc();
                Server::Available
            }
            Some(Prepared::Unreadable(Begun { lease, attempts, .. })) => {
                log::error!(outbox_id:% = row.id; "a mail has an unknown kind; a newer version may deliver it");
                self.retry(lease, attempts, "the kind of mail is not known to this version".into());
                Server::Available
            }
            Some(Prepared::Ready(letter, begun)) => self.send(&letter, &begun),
        }
    }

    fn send(&mut self, letter: &Letter, begun: &Begun) -> Server {
        let Begun { lease, attempts, .. } = *begun;
        let (id, customer, kind) = (letter.id, letter.customer.map(CustomerId::get), letter.kind.name());
        let sent = self.mailer.send(letter);
        match &sent {
            Ok(()) => log::info!(outbox_id:% = id, customer_id = customer, kind; "mail delivered"),
            Err(error) => {
                let reason = error.reason();
                log::warn!(outbox_id:% = id, customer_id = customer, kind, reason; "mail not delivered");
            }
        }
        match sent {
            Ok(()) => {
                self.jobs.insist(move |connection| queries::delete(connection, id));
                self.metrics.delivered.inc();
                (self.pause, self.interrupted) = (None, 0);
                Server::Available
            }
            Err(SendError::Refused(reason)) => {
                self.jobs.insist(move |connection| queries::fail(connection, lease, &reason));
                self.metrics.failed.inc();
                Server::Available
            }
            Err(SendError::Later(reason)) => {
                self.retry(lease, attempts, reason);
                Server::Available
            }
            Err(SendError::Interrupted(reason)) => {
                self.retry(lease, attempts, reason.clone());
                self.interrupted += 1;
                // One mail that a server does not survive must not hold up the others.
                if self.interrupted < INTERRUPTED { Server::Available } else { Server::Unavailable(reason) }
            }
            Err(SendError::Unreachable(reason)) => {
                self.metrics.retried.inc();
                let told = reason.clone();
                self.jobs.insist(move |connection| queries::take_back(connection, lease, &told));
                Server::Unavailable(reason)
            }
        }
    }

    fn retry(&mut self, lease: Lease, attempts: i64, reason: String) {
        let pause = pause_after(self.retry, attempts);
        self.jobs.insist(move |connection| queries::retry(connection, lease, pause, &reason));
        self.metrics.retried.inc();
    }

    /// Gives the rest of a round back. Returns the pause, which grows.
    fn wait_for_server(&mut self, rest: Vec<Lease>, reason: String) -> Duration {
        let pause = self.pause.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        if !rest.is_empty() {
            self.jobs.insist(move |connection| queries::give_back(connection, &rest, Some(&reason)));
        }
        pause
    }
}

/// Returns the pause before the next attempt: it doubles each time.
fn pause_after(first: Duration, attempts: i64) -> TimeDelta {
    let doublings = u32::try_from(attempts.clamp(1, 20)).unwrap_or(1) - 1;
    let pause = first.saturating_mul(1 << doublings).min(LONGEST_RETRY.max(first));
    TimeDelta::from_std(pause).unwrap_or(TimeDelta::hours(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let minutes = |attempts| pause_after(Duration::from_secs(30), attempts).num_seconds();
        assert_eq!([0, 1, 2, 3, 7, 8, 9, 1000].map(minutes), [30, 30, 60, 120, 1920, 3600, 3600, 3600]);
    }
}
