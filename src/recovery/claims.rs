//! Who may still take an account back: the links that revert changes of its email.
//!
//! An account belongs to the mailbox that was proved first. See `docs/decisions/0019-recovery.md`.

use diesel::prelude::*;

use crate::customers::fields::Email;
use crate::db::{DbConnection, DbResult};
use crate::ids::{CustomerId, EntryId};
use crate::outbox;
use crate::schema::links;
use crate::tokens::LinkKind;

/// Ends what came after the mailbox of an email had the account for the first time, as far as that is known: every link from the
/// oldest one on that reverts to it, and at least from `first` on.
pub(super) fn end_after(
    connection: &mut DbConnection,
    customer: CustomerId,
    canonical: &str,
    first: EntryId,
) -> DbResult<()> {
    let first = oldest(connection, customer, canonical)?.map_or(first, |oldest| oldest.min(first));
    diesel::delete(links::table.filter(reverts(customer).and(links::id.ge(first.get())))).execute(connection)?;
    outbox::forget_changes(connection, customer, |id, _| id >= first)
}

/// Ends what is weaker than a proof of the current mailbox: links to emails that were never verified, and those that came after this
/// mailbox had the account for the first time.
pub(super) fn end_weaker(connection: &mut DbConnection, customer: CustomerId, canonical: &str) -> DbResult<()> {
    let unproved = reverts(customer).and(links::was_verified.eq(false));
    if let Some(first) = oldest(connection, customer, canonical)? {
        end_after(connection, customer, canonical, first)?;
    }
    diesel::delete(links::table.filter(unproved)).execute(connection)?;
    outbox::forget_changes(connection, customer, |_, verified| !verified)
}

/// Returns the id of the oldest link that reverts to the email with this canonical form.
fn oldest(connection: &mut DbConnection, customer: CustomerId, canonical: &str) -> DbResult<Option<EntryId>> {
    let rows = links::table.filter(reverts(customer)).order(links::id).select((links::id, links::email));
    let rows = rows.load::<(i64, Option<String>)>(connection)?;
    let is_same =
        |to: Option<&String>| to.and_then(|to| Email::parse(to).ok()).is_some_and(|to| to.canonical() == canonical);
    Ok(rows.into_iter().find(|(_, to)| is_same(to.as_ref())).map(|(id, _)| EntryId::of_row(id)))
}

#[diesel::dsl::auto_type]
fn reverts(customer: CustomerId) -> _ {
    let id: i64 = customer.get();
    let kind: &'static str = LinkKind::Revert.name();
    links::customer_id.eq(id).and(links::kind.eq(kind))
}
