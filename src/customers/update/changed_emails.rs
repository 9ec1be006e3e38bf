//! What else changes with an email, in the transaction of its change: it is unverified, links end, mails go to the new
//! and the old address, and the history has a row. Changes that leave the email alone cost nothing.

use std::collections::HashSet;

use diesel::prelude::*;

use super::merge::{Done, EmailChange};
use super::{Outcome, Update};
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::events::Event;
use crate::history::{self, Caller, Entry};
use crate::ids::{CustomerId, EntryId};
use crate::outbox::{self, Mail};
use crate::schema::customers;

/// Records the changed emails of a batch.
pub(super) fn record(connection: &mut DbConnection, updates: &[Update], outcomes: &[Outcome]) -> DbResult<()> {
    let changed: Vec<(&Update, &EmailChange)> = updates
        .iter()
        .zip(outcomes)
        .filter_map(|(update, outcome)| match outcome {
            Ok(Ok(Done { email, .. })) if *email != EmailChange::None => Some((update, email)),
            _ => None,
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    history::add_all(connection, &entries(&changed))?;
    let replaced = changed.iter().filter_map(|(update, email)| match email {
        EmailChange::Replaced(old_email) => Some((update.customer.id(), &update.caller, old_email)),
        _ => None,
    });
    let replaced: Vec<(CustomerId, &Caller, &String)> = replaced.collect();
    let ids: Vec<CustomerId> = replaced.iter().map(|(id, ..)| *id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mut verified = unverify(connection, &ids)?;
    // However many changes there are at the same time, a mailbox gets one mail of each kind.
    let mut told = outbox::replace_changes(connection, &ids)?;
    let mut asked = HashSet::new();
    let mut mails = Vec::new();
    for (id, caller, old_email) in replaced {
        if asked.insert(id) {
            mails.push((caller, id, Mail::VerifyEmail));
        }
        // A second change of one customer replaces an email that nobody has verified.
        let verified = verified.remove(&id.get());
        if told.insert((id, old_email.clone())) {
            mails.push((caller, id, Mail::EmailChanged { old_email: old_email.clone(), verified }));
        }
    }
    outbox::add_all(connection, mails)
}

fn entries(changed: &[(&Update, &EmailChange)]) -> Vec<Entry> {
    let first = EntryId::generate();
    let entry = |(number, (Update { customer, caller, .. }, _)): (usize, &(&Update, &EmailChange))| {
        Entry::new(first.after(number), Event::EmailChange, customer.id(), customer.session(), caller)
    };
    changed.iter().enumerate().map(entry).collect()
}

/// Marks the emails of these customers as not verified, and ends the links that went to the emails before. Returns the
/// ids of those whose emails were verified.
fn unverify(connection: &mut DbConnection, ids: &[CustomerId]) -> DbResult<HashSet<i64>> {
    outbox::end_links(connection, ids)?;
    let verified = customers::id.eq_any(ids.iter().map(|id| id.get())).and(customers::email_verified_at.is_not_null());
    let unverified = customers::email_verified_at.eq(None::<UtcMicros>);
    let update = diesel::update(customers::table.filter(verified)).set(unverified);
    Ok(update.returning(customers::id).get_results::<i64>(connection)?.into_iter().collect())
}
