//! The email of a customer for its owner: whether it is verified, and a change that waits to be confirmed.

use diesel::dsl::exists;
use diesel::prelude::*;

use super::links;
use crate::customers::fields::Email;
use crate::customers::find_owned;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::history::Caller;
use crate::http::{Denied, FieldCode, OwnedCustomer, Violation};
use crate::outbox::{self, Mail};
use crate::schema::{customers, links as rows, passwords};
use crate::sessions::hold;
use crate::tokens::{LinkKind, LinkTokens};

/// The email of a customer.
pub(crate) struct State {
    /// As typed.
    pub(crate) email: String,
    pub(crate) verified: bool,
    /// The new email that waits, and until when.
    pub(crate) pending: Option<(String, UtcMicros)>,
}

/// Returns the email of the owner.
pub(super) fn state(connection: &mut DbConnection, customer: &OwnedCustomer) -> DbResult<Result<State, Denied>> {
    if let Err(denied) = find_owned(connection, customer)? {
        return Ok(Err(denied));
    }
    let id = customer.id().get();
    let own = customers::table.find(id).select((customers::email, customers::email_verified_at.is_not_null()));
    let Some((email, verified)) = own.load::<(String, bool)>(connection)?.pop() else {
        return Ok(Err(Denied::Missing));
    };
    let change = rows::customer_id.eq(id).and(rows::kind.eq(LinkKind::EmailChange.name()));
    let pending = rows::table
        .filter(change.and(rows::expires_at.gt(UtcMicros::now())))
        .order(rows::id.desc())
        .limit(1)
        .select((rows::email.assume_not_null(), rows::expires_at))
        .load::<(String, UtcMicros)>(connection)?
        .pop();
    Ok(Ok(State { email, verified, pending }))
}

/// Requests a change of the email: mails a link to the new one, and a notice to the current one. An earlier request is forgotten.
/// `verified` is the hash that the current password matched.
pub(super) fn request(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    verified: &str,
    email: &Email,
    tokens: &LinkTokens,
    caller: &Caller,
) -> DbResult<Result<(), Denied>> {
    connection.transaction(|connection| {
        if let Err(denied) = hold(connection, customer)? {
            return Ok(Err(denied));
        }
        let id = customer.id();
        if links::lock_enabled(connection, id)?.is_none() || !has_password(connection, customer, verified)? {
            return Ok(Err(Denied::SessionEnded));
        }
        let same = customers::email_canonical.eq(email.canonical());
        match customers::table.filter(same).select(customers::id).load::<i64>(connection)?.first() {
            Some(holder) if *holder == id.get() => return Ok(Err(own_email())),
            Some(_) => return Ok(Err(Denied::EmailTaken)),
            None => {}
        }
        links::end_kind(connection, id, LinkKind::EmailChange)?;
        if let Some(link) = outbox::add(connection, caller, Some(id), Mail::ConfirmEmail)? {
            let hash = tokens.hash(link);
            links::add(connection, link, id, LinkKind::EmailChange, &hash, Some(email.typed()))?;
        }
        outbox::add(connection, caller, Some(id), Mail::EmailChangeRequested)?;
        Ok(Ok(()))
    })
}

/// Returns whether the password is still the one with this hash.
fn has_password(connection: &mut DbConnection, customer: &OwnedCustomer, hash: &str) -> DbResult<bool> {
    let own = passwords::customer_id.eq(customer.id().get()).and(passwords::hash.eq(hash));
    Ok(diesel::select(exists(passwords::table.filter(own))).get_result(connection)?)
}

fn own_email() -> Denied {
    Denied::Fields(vec![
        Violation::new(FieldCode::Taken, "This is the email address of the account already.").at("#/email"),
    ])
}

/// Forgets a requested change of the email.
pub(super) fn forget(connection: &mut DbConnection, customer: &OwnedCustomer) -> DbResult<Result<(), Denied>> {
    connection.transaction(|connection| {
        if let Err(denied) = hold(connection, customer)?.and(find_owned(connection, customer)?.map(drop)) {
            return Ok(Err(denied));
        }
        links::end_kind(connection, customer.id(), LinkKind::EmailChange)?;
        Ok(Ok(()))
    })
}

/// Mails a link that verifies the email, unless it is verified.
pub(super) fn send_verification(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    caller: &Caller,
) -> DbResult<Result<(), Denied>> {
    connection.transaction(|connection| {
        match state(connection, customer)? {
            Ok(State { verified: true, .. }) => {}
            Ok(_) => drop(outbox::add(connection, caller, Some(customer.id()), Mail::VerifyEmail)?),
            Err(denied) => return Ok(Err(denied)),
        }
        Ok(Ok(()))
    })
}
