//! Each function is one statement or one transaction.

use diesel::dsl::exists;
use diesel::prelude::*;

use crate::customers::{Customer, find_owned};
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::events::Event;
use crate::history::{self, Caller};
use crate::http::{ClientNetwork, Denied, OwnedCustomer};
use crate::ids::SessionId;
use crate::outbox::{self, Mail};
use crate::schema::{customers, passwords, sessions};
use crate::sessions::{Networks, hold};

/// The data of a customer that a password change needs.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) profile: Customer,
    pub(super) hash: Option<String>,
    pub(super) networks: Networks,
}

/// Returns the account behind a token whose session is alive.
pub(super) fn account(connection: &mut DbConnection, customer: &OwnedCustomer) -> DbResult<Result<Account, Denied>> {
    let mut rows = passwords::table.find(customer.id().get()).select((passwords::hash, passwords::networks)).load::<(
        String,
        Option<String>,
    )>(
        connection,
    )?;
    let (hash, networks) = rows.pop().map_or((None, None), |(hash, networks)| (Some(hash), networks));
    // Reads the customer after the hash. If the customer is erased in between, the missing hash is not mistaken for a
    // wrong password.
    let found = find_owned(connection, customer)?;
    Ok(found.map(|versioned| Account { profile: versioned.customer, hash, networks: networks.into() }))
}

/// Replaces the verified hash and ends every other session of the customer. Returns how many ended, or
/// [`Denied::SessionEnded`] if the hash has changed or the token's session has ended.
pub(super) fn change_password(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    verified: &str,
    fresh: &str,
    network: ClientNetwork,
    caller: &Caller,
) -> DbResult<Result<usize, Denied>> {
    connection.transaction(|connection| {
        if let Err(denied) = hold(connection, customer)? {
            return Ok(Err(denied));
        }
        let id = customer.id().get();
        let changed = diesel::update(passwords::table)
            .filter(passwords::customer_id.eq(id).and(passwords::hash.eq(verified)))
            .filter(exists(customers::table.filter(customers::id.eq(id).and(customers::disabled_at.is_null()))))
            .set((
                passwords::hash.eq(fresh),
                passwords::changed_at.eq(UtcMicros::now()),
                // Only this network stays known: another one may belong to somebody who knew the old password.
                passwords::networks.eq(Networks::from(None).after_sign_in(network)),
            ))
            .execute(connection)?;
        if changed == 0 {
            return Ok(Err(Denied::SessionEnded));
        }
        history::add(connection, Event::PasswordChange, customer.id(), customer.session(), caller)?;
        outbox::end_links(connection, &[customer.id()])?;
        outbox::add(connection, caller, Some(customer.id()), Mail::PasswordChanged)?;
        let others = sessions::customer_id.eq(id).and(sessions::id.ne(customer.session().map_or(0, SessionId::get)));
        Ok(Ok(diesel::delete(sessions::table.filter(others)).execute(connection)?))
    })
}
