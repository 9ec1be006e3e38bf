//! What links do. Each function is one transaction, in which the link is used up.

use diesel::prelude::*;

use super::claims;
use super::links::{self, Redeemed};
use crate::customers::fields::Email;
use crate::db::{Constraint, DbConnection, DbError, DbResult, UtcMicros};
use crate::events::Event;
use crate::history::{self, Caller};
use crate::http::{ClientNetwork, Denied};
use crate::ids::CustomerId;
use crate::outbox::{self, Mail};
use crate::schema::{customers, passwords};
use crate::sessions::{Networks, end_all_of};
use crate::tokens::{LinkKind, LinkToken};

/// The links that set a password.
pub(super) const RESETS: [LinkKind; 2] = [LinkKind::Reset, LinkKind::SupportReset];

/// Adds a mail for whoever has this email, if anybody has. That is looked up when the mail is due, so the work is the same for all
/// emails.
pub(super) fn forgot(connection: &mut DbConnection, email: &Email, caller: &Caller) -> DbResult<()> {
    let mail = Mail::ForgottenPassword { email: email.canonical().to_owned() };
    outbox::add(connection, caller, None, mail)?;
    Ok(())
}

/// Sets the password and ends all sessions. A link that was mailed also verifies the email, because whoever has it reads the
/// mailbox; one that support made does not. Returns the customer and how many sessions ended.
pub(super) fn reset(
    connection: &mut DbConnection,
    token: &LinkToken,
    hash: &str,
    network: ClientNetwork,
    caller: &Caller,
) -> DbResult<Result<(CustomerId, usize), Denied>> {
    connection.transaction(|connection| {
        let Some(Redeemed { customer, kind, current, .. }) = links::redeem(connection, token, &RESETS)? else {
            return Ok(Err(Denied::LinkInvalid));
        };
        set_password(connection, customer, hash, network)?;
        let ended = end_all_of(connection, customer)?;
        outbox::end_links(connection, &[customer])?;
        if kind == LinkKind::Reset.name() {
            let verified = customers::email_verified_at.eq(UtcMicros::now());
            diesel::update(customers::table.find(customer.get())).set(verified).execute(connection)?;
            claims::end_weaker(connection, customer, &current.canonical)?;
        }
        history::add(connection, Event::PasswordReset, customer, None, caller)?;
        outbox::add(connection, caller, Some(customer), Mail::PasswordReset)?;
        Ok(Ok((customer, ended)))
    })
}

/// Replaces the password, or adds one. Only this network stays known: another one may belong to somebody who knew the old password.
fn set_password(
    connection: &mut DbConnection,
    customer: CustomerId,
    hash: &str,
    network: ClientNetwork,
) -> DbResult<()> {
    let fresh = (
        passwords::hash.eq(hash),
        passwords::changed_at.eq(UtcMicros::now()),
        passwords::networks.eq(Networks::from(None).after_sign_in(network)),
    );
    if diesel::update(passwords::table.find(customer.get())).set(fresh.clone()).execute(connection)? == 0 {
        let added = (passwords::customer_id.eq(customer.get()), fresh);
        diesel::insert_into(passwords::table).values(added).execute(connection)?;
    }
    Ok(())
}

/// Verifies the email, or switches to the new email that the link was mailed to, and tells the old one. Returns the customer and
/// which of the two it was. If the new email is taken, the link can be used again.
pub(super) fn verify(
    connection: &mut DbConnection,
    token: &LinkToken,
    caller: &Caller,
) -> DbResult<Result<(CustomerId, Event), Denied>> {
    unless_taken(connection.transaction(|connection| {
        let used = links::redeem(connection, token, &[LinkKind::Verify, LinkKind::EmailChange])?;
        let Some(Redeemed { customer, email, current, .. }) = used else {
            return Ok(Err(Denied::LinkInvalid));
        };
        let event = match email {
            Some(email) => {
                set_email(connection, customer, &parse(&email)?)?;
                outbox::end_links(connection, &[customer])?;
                let notice = Mail::EmailChanged { old_email: current.email, verified: current.verified };
                outbox::add(connection, caller, Some(customer), notice)?;
                Event::EmailChange
            }
            None => {
                let verified = customers::email_verified_at.eq(UtcMicros::now());
                diesel::update(customers::table.find(customer.get())).set(verified).execute(connection)?;
                links::end_kind(connection, customer, LinkKind::Verify)?;
                Event::EmailVerified
            }
        };
        history::add(connection, event, customer, None, caller)?;
        Ok(Ok((customer, event)))
    }))
}

/// Returns to the email that the link was mailed to. Sessions, the password and every link of a later change end, and a link to set
/// a new password is mailed. Returns the customer and how many sessions ended. If the email is taken, the link can be used again.
pub(super) fn revert(
    connection: &mut DbConnection,
    token: &LinkToken,
    caller: &Caller,
) -> DbResult<Result<(CustomerId, usize), Denied>> {
    unless_taken(connection.transaction(|connection| {
        let used = links::redeem(connection, token, &[LinkKind::Revert])?;
        let Some(Redeemed { customer, email: Some(email), .. }) = used else {
            return Ok(Err(Denied::LinkInvalid));
        };
        let email = parse(&email)?;
        set_email(connection, customer, &email)?;
        // Whoever changed the email may know it. Before the sessions: a sign-in in progress locks it, and its session ends too.
        diesel::delete(passwords::table.find(customer.get())).execute(connection)?;
        let ended = end_all_of(connection, customer)?;
        outbox::end_links(connection, &[customer])?;
        claims::end_after(connection, customer, email.canonical(), token.id)?;
        history::add(connection, Event::EmailReverted, customer, None, caller)?;
        outbox::add(connection, caller, Some(customer), Mail::ResetPassword)?;
        Ok(Ok((customer, ended)))
    }))
}

/// Switches to an email whose owner has just proved to read it.
fn set_email(connection: &mut DbConnection, customer: CustomerId, email: &Email) -> DbResult<()> {
    let now = UtcMicros::now();
    let switched = (
        customers::email.eq(email.typed()),
        customers::email_canonical.eq(email.canonical()),
        customers::email_verified_at.eq(now),
        customers::version.eq(customers::version + 1),
        customers::updated_at.eq(now),
    );
    diesel::update(customers::table.find(customer.get())).set(switched).execute(connection)?;
    Ok(())
}

/// Parses an email that is stored.
fn parse(stored: &str) -> DbResult<Email> {
    Email::parse(stored).map_err(|_| DbError::Internal("a stored email is none".into()))
}

/// Converts the error of a transaction that was rolled back because another customer has the email.
fn unless_taken<T>(outcome: DbResult<Result<T, Denied>>) -> DbResult<Result<T, Denied>> {
    match outcome {
        Err(DbError::Unique(Constraint::Email)) => Ok(Err(Denied::EmailTaken)),
        outcome => outcome,
    }
}
