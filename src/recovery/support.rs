//! Links to set a new password, made by the operator for single customers. Each function is one transaction.

use diesel::prelude::*;

use super::links;
use crate::customers::support::note_operator;
use crate::db::{DbConnection, DbResult, in_transaction};
use crate::history::Caller;
use crate::http::{Denied, Operator};
use crate::ids::{CustomerId, EntryId};
use crate::outbox::{self, Mail};
use crate::schema::customers;
use crate::tokens::{LinkKind, LinkTokens};

/// Makes a link and returns its token. It ends the customer's earlier links that set a password. Whoever uses it need not read the
/// mailbox, so it does not verify the email.
pub(crate) fn make_reset_link(
    connection: &mut DbConnection,
    operator: Operator,
    customer: CustomerId,
    tokens: &LinkTokens,
    caller: &Caller,
) -> DbResult<Result<String, Denied>> {
    in_transaction(connection, |connection| {
        if let Err(denied) = lock(connection, customer)? {
            return Ok(Err(denied));
        }
        let id = EntryId::generate();
        for kind in super::queries::RESETS {
            links::end_kind(connection, customer, kind)?;
        }
        links::add(connection, id, customer, LinkKind::SupportReset, &tokens.hash(id), None)?;
        note_operator(connection, operator, customer, caller)?;
        Ok(Ok(tokens.derive(id)))
    })
}

/// Mails a link to the customer.
pub(crate) fn mail_reset_link(
    connection: &mut DbConnection,
    operator: Operator,
    customer: CustomerId,
    caller: &Caller,
) -> DbResult<Result<(), Denied>> {
    in_transaction(connection, |connection| {
        if let Err(denied) = lock(connection, customer)? {
            return Ok(Err(denied));
        }
        outbox::add(connection, caller, Some(customer), Mail::ResetPassword)?;
        note_operator(connection, operator, customer, caller)?;
        Ok(Ok(()))
    })
}

/// Locks a customer who can recover the account.
fn lock(connection: &mut DbConnection, customer: CustomerId) -> DbResult<Result<(), Denied>> {
    if links::lock_enabled(connection, customer)?.is_some() {
        return Ok(Ok(()));
    }
    let found = customers::table.find(customer.get()).select(customers::id).load::<i64>(connection)?;
    Ok(Err(if found.is_empty() { Denied::Missing } else { Denied::Disabled }))
}
