//! What else changes with an email, in the transaction of its change: it is unverified, links end, mails go to the new and
//! the old address, and the history has a row. Changes that leave the email alone cost nothing.

use diesel::prelude::*;

use super::merge::{Done, EmailChange};
use super::{Outcome, Update};
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::events::Event;
use crate::history::{self, Entry};
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
    let mut replaced = Vec::new();
    let mut mails = Vec::new();
    for (Update { customer, caller, .. }, email) in &changed {
        if let EmailChange::Replaced(old_email) = email {
            replaced.push(customer.id());
            mails.push((caller, customer.id(), Mail::VerifyEmail));
            mails.push((caller, customer.id(), Mail::EmailChanged { old_email: old_email.clone() }));
        }
    }
    unverify(connection, &replaced)?;
    outbox::add_all(connection, mails)
}

fn entries(changed: &[(&Update, &EmailChange)]) -> Vec<Entry> {
    let first = EntryId::generate();
    let entry = |(number, (Update { customer, caller, .. }, _)): (usize, &(&Update, &EmailChange))| {
        Entry::new(first.after(number), Event::EmailChange, customer.id(), customer.session(), caller)
    };
    changed.iter().enumerate().map(entry).collect()
}

/// Marks the emails of these customers as not verified, and ends the links that went to the emails before.
fn unverify(connection: &mut DbConnection, ids: &[CustomerId]) -> DbResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    outbox::end_links(connection, ids)?;
    let ids = ids.iter().map(|id| id.get());
    let unverified = customers::email_verified_at.eq(None::<UtcMicros>);
    diesel::update(customers::table.filter(customers::id.eq_any(ids))).set(unverified).execute(connection)?;
    Ok(())
}
