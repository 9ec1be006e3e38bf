//! Applies a batch of changes in one transaction.
//!
//! A batch reads and locks the rows, merges the changes with them in memory ([`merge`]) and writes what differs
//! ([`mod@write`]). Several changes of one customer are merged one after the other, each with its own version and
//! reply.

mod changed_emails;
mod merge;
mod write;

use std::collections::HashSet;

use self::merge::Profiles;
pub use self::merge::{Done, EmailChange};
use super::change::Change;
use super::holders::{self, Holders};
use super::read::{self, Locked};
use crate::db::{Batch, Constraint, DbConnection, DbError, DbResult};
use crate::history::Caller;
use crate::http::conditional::Conditions;
use crate::http::{Denied, OwnedCustomer};
use crate::settings::EmailRule;

/// One request to change a customer.
pub struct Update {
    /// Proof that the principal owns the customer.
    pub customer: OwnedCustomer,
    /// The change.
    pub change: Change,
    /// Whether it may replace the email at once.
    pub email_rule: EmailRule,
    /// The versions that the change may start from.
    pub conditions: Conditions,
    /// Who asks, for the history of changed emails and the mails about them.
    pub caller: Caller,
}

/// The outcome of one update.
type Outcome = DbResult<Result<Done, Denied>>;

/// The batch of updates; see [`crate::db::Lane`].
pub struct Updates;

impl Batch for Updates {
    type Item = Update;
    type Output = Result<Done, Denied>;

    const NAME: &'static str = "updates";
    const WRITES: bool = true;

    fn customer(update: &Update) -> i64 {
        update.customer.id().get()
    }

    fn apply(connection: &mut DbConnection, updates: &[Update]) -> DbResult<Vec<DbResult<Self::Output>>> {
        let owners: Vec<&OwnedCustomer> = updates.iter().map(|update| &update.customer).collect();
        let rows = read::lock(connection, &owners)?;
        // The first merge assumes that every email and slug is free. It shows which ones to look up.
        let (mut profiles, mut outcomes) = merged(updates, &rows, Holders::default());
        if let Some(new_names) = profiles.take_new_names() {
            let holders = holders::find(connection, new_names)?;
            (profiles, outcomes) = merged(updates, &rows, holders);
        }
        write::profiles(connection, &profiles).map_err(|error| match error {
            // Another process took it after the look-up. A retry looks it up again.
            DbError::Unique(Constraint::Email | Constraint::Slug) => DbError::Contention(error.to_string()),
            other => other,
        })?;
        changed_emails::record(connection, updates, &outcomes)?;
        Ok(outcomes)
    }
}

/// Merges all changes in order. If a row is locked, all changes of that customer are busy, which keeps their order.
fn merged(updates: &[Update], rows: &[Locked], holders: Holders) -> (Profiles, Vec<Outcome>) {
    let mut profiles = Profiles::with_holders(holders);
    let mut busy = HashSet::new();
    let outcome = |(update, row): (&Update, &Locked)| match row {
        _ if busy.contains(&update.customer.id()) => Err(DbError::Busy),
        Locked::Row(stored) => {
            let Update { customer, change, email_rule, conditions, .. } = update;
            Ok(profiles.merge(customer.id(), change, *email_rule, conditions, stored))
        }
        Locked::Denied(denied) => Ok(Err(denied.clone())),
        Locked::Busy => {
            busy.insert(update.customer.id());
            Err(DbError::Busy)
        }
    };
    let outcomes = updates.iter().zip(rows).map(outcome).collect();
    (profiles, outcomes)
}
