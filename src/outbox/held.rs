//! What the outbox and the links hold about a customer.

use std::collections::HashSet;

use diesel::prelude::*;
use serde_json::Value;

use super::mail::{Content, Mail};
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::ids::{CustomerId, EntryId};
use crate::schema::{links, outbox};

/// What is held about a customer, without secrets.
pub(crate) struct Held {
    /// The mails that wait or that could not be sent: their kinds, and when they were caused.
    pub(crate) mails: Vec<(String, UtcMicros)>,
    /// The links: their kinds, the emails that they switch to, and when they end.
    pub(crate) links: Vec<(String, Option<String>, UtcMicros)>,
}

/// Returns what is held about a customer, the oldest first.
pub(crate) fn held(connection: &mut DbConnection, customer: CustomerId) -> DbResult<Held> {
    let rows = outbox::table
        .filter(outbox::customer_id.eq(customer.get()))
        .order(outbox::id)
        .select((outbox::id, outbox::kind, outbox::content))
        .load::<(i64, String, String)>(connection)?;
    let mail = |(id, kind, content): (i64, String, String)| {
        (name_of(&content).unwrap_or(kind), UtcMicros::from(EntryId::of_row(id).moment().naive_utc()))
    };
    let mails = rows.into_iter().map(mail).collect();
    let links = links::table
        .filter(links::customer_id.eq(customer.get()))
        .order(links::id)
        .select((links::kind, links::email, links::expires_at))
        .load::<(String, Option<String>, UtcMicros)>(connection)?;
    Ok(Held { mails, links })
}

/// Returns the name of the mail in a row's content. A row that failed for good has no content any more.
fn name_of(content: &str) -> Option<String> {
    let content = serde_json::from_str::<Value>(content).ok()?;
    content["mail"].as_str().map(ToOwned::to_owned)
}

/// Deletes notices of changed emails that wait, because each would make a link that reverts its change: those for which `is_over`
/// returns true, given the row's id and whether the email before the change was verified.
pub(crate) fn forget_changes(
    connection: &mut DbConnection,
    customer: CustomerId,
    is_over: impl Fn(EntryId, bool) -> bool,
) -> DbResult<()> {
    let own = outbox::table.filter(outbox::customer_id.eq(customer.get()));
    let rows = own.select((outbox::id, outbox::content)).load::<(i64, String)>(connection)?;
    let is_over = |(id, content): &(i64, String)| match serde_json::from_str(content) {
        Ok(Content { mail: Mail::EmailChanged { verified, .. }, .. }) => is_over(EntryId::of_row(*id), verified),
        _ => false,
    };
    let ids: Vec<i64> = rows.into_iter().filter(is_over).map(|(id, _)| id).collect();
    if !ids.is_empty() {
        diesel::delete(outbox::table.filter(outbox::id.eq_any(ids))).execute(connection)?;
    }
    Ok(())
}

/// Deletes requests for a forgotten password of this email that wait, because they belong to no customer and hold the email.
pub(crate) fn forget_requests(connection: &mut DbConnection, canonical: &str) -> DbResult<()> {
    let waiting = outbox::table.filter(outbox::customer_id.is_null().and(outbox::due_at.is_not_null()));
    let rows = waiting.select((outbox::id, outbox::content)).load::<(i64, String)>(connection)?;
    let is_of_email = |(_, content): &(i64, String)| match serde_json::from_str(content) {
        Ok(Content { mail: Mail::ForgottenPassword { email }, .. }) => email == canonical,
        _ => false,
    };
    let ids: Vec<i64> = rows.into_iter().filter(is_of_email).map(|(id, _)| id).collect();
    if !ids.is_empty() {
        diesel::delete(outbox::table.filter(outbox::id.eq_any(ids))).execute(connection)?;
    }
    Ok(())
}

/// Deletes the verification mails of these customers that wait, because each email that follows gets one of its own, and returns
/// the emails before earlier changes whose notices wait. So changes at the same time send few mails.
pub(crate) fn replace_changes(
    connection: &mut DbConnection,
    customers: &[CustomerId],
) -> DbResult<HashSet<(CustomerId, String)>> {
    let ids = customers.iter().map(|customer| customer.get());
    let waiting = outbox::table.filter(outbox::customer_id.eq_any(ids).and(outbox::attempts.eq(0)));
    let rows = waiting.select((outbox::id, outbox::customer_id, outbox::content));
    let (mut replaced, mut told) = (Vec::new(), HashSet::new());
    for (id, customer, content) in rows.load::<(i64, Option<i64>, String)>(connection)? {
        match (customer.and_then(CustomerId::new), serde_json::from_str::<Content>(&content)) {
            (Some(_), Ok(Content { mail: Mail::VerifyEmail, .. })) => replaced.push(id),
            (Some(customer), Ok(Content { mail: Mail::EmailChanged { old_email, .. }, .. })) => {
                told.insert((customer, old_email));
            }
            _ => {}
        }
    }
    if !replaced.is_empty() {
        diesel::delete(outbox::table.filter(outbox::id.eq_any(replaced))).execute(connection)?;
    }
    Ok(told)
}
