//! The rows of links: finding, using and ending them. Each function is one statement, or part of its caller's transaction.

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::ids::{CustomerId, EntryId};
use crate::schema::{customers, links, outbox};
use crate::tokens::{LinkKind, LinkToken};

/// The most links that one statement deletes, so that it does not hold locks for long.
const SWEPT: i64 = 1_000;

/// A link's row.
#[derive(Insertable)]
#[diesel(table_name = links)]
struct Row<'a> {
    id: i64,
    customer_id: i64,
    kind: &'static str,
    hash: &'a str,
    email: Option<&'a str>,
    expires_at: UtcMicros,
}

/// A link that was used.
pub(super) struct Redeemed {
    pub(super) customer: CustomerId,
    /// The name of a [`LinkKind`].
    pub(super) kind: String,
    /// The email that the link switches to, if any.
    pub(super) email: Option<String>,
    pub(super) current: Current,
}

/// The email of a customer.
pub(super) struct Current {
    /// As typed.
    pub(super) email: String,
    pub(super) canonical: String,
    pub(super) verified: bool,
}

/// Returns the customer behind a link that can be used, with what is known about the customer: email and names.
pub(super) fn owner(
    connection: &mut DbConnection,
    token: &LinkToken,
    kinds: &[LinkKind],
) -> DbResult<Option<(CustomerId, Vec<String>)>> {
    let mut rows = links::table
        .inner_join(customers::table)
        .filter(links::id.eq(token.id.get()).and(links::hash.eq(&token.hash)))
        .filter(links::kind.eq_any(names(kinds)).and(links::expires_at.gt(UtcMicros::now())))
        .filter(customers::disabled_at.is_null())
        .select((customers::id, customers::email, customers::first_name, customers::last_name))
        .load::<(i64, String, String, String)>(connection)?;
    let owner = rows.pop().and_then(|(id, email, first, last)| Some((CustomerId::new(id)?, vec![email, first, last])));
    Ok(owner)
}

/// Uses a link up, and locks its customer until the transaction ends. Returns `None` if it is not one of these kinds, was used, has
/// ended, or its customer is disabled.
pub(super) fn redeem(
    connection: &mut DbConnection,
    token: &LinkToken,
    kinds: &[LinkKind],
) -> DbResult<Option<Redeemed>> {
    let same = links::id.eq(token.id.get()).and(links::hash.eq(&token.hash));
    let live = same.and(links::kind.eq_any(names(kinds))).and(links::expires_at.gt(UtcMicros::now()));
    let customer = links::table.filter(live.clone()).select(links::customer_id).load::<i64>(connection)?.pop();
    // The customer first: what changes an account locks it before its links.
    let Some(customer) = customer.and_then(CustomerId::new) else { return Ok(None) };
    let Some(current) = lock_enabled(connection, customer)? else { return Ok(None) };
    let used = diesel::delete(links::table.filter(live));
    let mut used = used.returning((links::kind, links::email)).get_results::<(String, Option<String>)>(connection)?;
    Ok(used.pop().map(|(kind, email)| Redeemed { customer, kind, email, current }))
}

fn names(kinds: &[LinkKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.name()).collect()
}

/// Locks a customer's row until the transaction ends, and returns the email. `None` if there is no such customer, or the
/// account is disabled. SQLite has one writer anyway.
pub(super) fn lock_enabled(connection: &mut DbConnection, customer: CustomerId) -> DbResult<Option<Current>> {
    let columns = (customers::email, customers::email_canonical, customers::email_verified_at.is_not_null());
    let row = customers::table.find(customer.get()).filter(customers::disabled_at.is_null()).select(columns);
    let mut found = match connection {
        DbConnection::Postgres(postgres) => row.for_no_key_update().load::<(String, String, bool)>(postgres)?,
        DbConnection::Sqlite(sqlite) => row.load::<(String, String, bool)>(sqlite)?,
    };
    Ok(found.pop().map(|(email, canonical, verified)| Current { email, canonical, verified }))
}

/// Adds a link that can be used from now on. `hash` is that of its token.
pub(super) fn add(
    connection: &mut DbConnection,
    id: EntryId,
    customer: CustomerId,
    kind: LinkKind,
    hash: &str,
    email: Option<&str>,
) -> DbResult<()> {
    let lifetime = chrono::TimeDelta::from_std(kind.lifetime()).unwrap_or_default();
    let expires_at = UtcMicros::now().plus(lifetime);
    let row = Row { id: id.get(), customer_id: customer.get(), kind: kind.name(), hash, email, expires_at };
    diesel::insert_into(links::table).values(row).execute(connection)?;
    Ok(())
}

/// Ends the customer's links of one kind.
pub(super) fn end_kind(connection: &mut DbConnection, customer: CustomerId, kind: LinkKind) -> DbResult<()> {
    let ended = links::customer_id.eq(customer.get()).and(links::kind.eq(kind.name()));
    diesel::delete(links::table.filter(ended)).execute(connection)?;
    Ok(())
}

/// Deletes up to [`SWEPT`] links whose time is over. Returns how many.
pub(crate) fn sweep(connection: &mut DbConnection) -> DbResult<usize> {
    let over = links::expires_at.le(UtcMicros::now());
    // The link of a mail that still waits is renewed when the mail is sent.
    let waits = exists(outbox::table.filter(outbox::id.eq(links::id)));
    let ended = links::table.filter(over.and(not(waits)));
    let ids = ended.select(links::id).limit(SWEPT).load::<i64>(connection)?;
    if ids.is_empty() {
        return Ok(0);
    }
    // Checks the condition again, because a link's time is extended when its mail is sent again.
    Ok(diesel::delete(links::table.filter(links::id.eq_any(ids).and(over))).execute(connection)?)
}
