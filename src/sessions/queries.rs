//! Each function is one statement or one transaction.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::model::{Session, SignInRules};
use super::networks::Networks;
use crate::customers::fields::Email;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::events::Event;
use crate::history::{self, Caller};
use crate::http::{ClientNetwork, Denied, OwnedCustomer};
use crate::ids::{CustomerId, SessionId};
use crate::outbox::{self, Mail};
use crate::schema::{customers, passwords, sessions};
use crate::tokens::RefreshClaims;

/// How long the previous refresh token still yields the same successor, for lost replies and parallel tabs.
const GRACE: TimeDelta = TimeDelta::seconds(10);
/// The most sessions of a customer. A further sign-in ends the oldest.
const MOST_SESSIONS: i64 = 250;
/// The most sessions that one statement deletes, so that it does not hold locks for long.
const SWEPT: i64 = 1_000;

/// The data that a sign-in is checked against.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) customer: CustomerId,
    pub(crate) hash: Option<String>,
    pub(crate) networks: Networks,
}

/// Returns the credentials of the customer with this email.
pub(crate) fn credentials(connection: &mut DbConnection, email: &Email) -> DbResult<Option<Credentials>> {
    let mut rows = customers::table
        .left_join(passwords::table)
        .filter(customers::email_canonical.eq(email.canonical()))
        .select((customers::id, passwords::hash.nullable(), passwords::networks.nullable()))
        .load::<(i64, Option<String>, Option<String>)>(connection)?;
    Ok(rows.pop().and_then(|(id, hash, networks)| {
        Some(Credentials { customer: CustomerId::new(id)?, hash, networks: networks.into() })
    }))
}

/// Begins a session if the stored hash is still the one that was verified ([`Denied::SessionEnded`] otherwise) and the account
/// is enabled ([`Denied::Disabled`]) and, where that is required, its email verified ([`Denied::Unverified`]). Stores the `fresh`
/// hash if there is one, and adds the network to those known to the account.
pub(crate) fn begin(
    connection: &mut DbConnection,
    rules: SignInRules,
    (verified, fresh): (&str, Option<&str>),
    session: &Session,
    network: ClientNetwork,
    caller: &Caller,
) -> DbResult<Result<(), Denied>> {
    connection.transaction(|connection| {
        let own = passwords::customer_id.eq(session.customer_id);
        // Writes even if nothing changes, to lock the row until the session is inserted.
        let mut unchanged = diesel::update(passwords::table)
            .filter(own.and(passwords::hash.eq(verified)))
            .set(passwords::hash.eq(fresh.unwrap_or(verified)))
            .returning(passwords::networks)
            .get_results::<Option<String>>(connection)?;
        let Some(networks) = unchanged.pop().map(Networks::from) else {
            return Ok(Err(Denied::SessionEnded));
        };
        // After the row is locked, which whoever disables the account locks too.
        if let Some(denied) = refusal(connection, rules, session.customer_id)? {
            return Ok(Err(denied));
        }
        if rules.notifies_new_networks && !networks.is_empty() && !networks.contain(network) {
            let mail = Mail::NewNetwork { network: network.to_string() };
            outbox::add(connection, caller, CustomerId::new(session.customer_id), mail)?;
        }
        if let Some(networks) = networks.after_sign_in(network) {
            diesel::update(passwords::table.filter(own)).set(passwords::networks.eq(networks)).execute(connection)?;
        }
        end_oldest(connection, session.customer_id)?;
        diesel::insert_into(sessions::table).values(session).execute(connection)?;
        add_to_history(connection, Event::SignIn, session.customer_id, session.id, caller)?;
        Ok(Ok(()))
    })
}

/// Returns why the customer may not sign in, although the password is right.
fn refusal(connection: &mut DbConnection, rules: SignInRules, customer: i64) -> DbResult<Option<Denied>> {
    let state = (customers::disabled_at.is_not_null(), customers::email_verified_at.is_not_null());
    let found = customers::table.find(customer).select(state).load::<(bool, bool)>(connection)?;
    Ok(match found.first() {
        Some((true, _)) => Some(Denied::Disabled),
        Some((false, false)) if rules.requires_verified_email => Some(Denied::Unverified),
        _ => None,
    })
}

/// Mails a link that verifies the email.
pub(crate) fn send_verification(connection: &mut DbConnection, customer: CustomerId, caller: &Caller) -> DbResult<()> {
    outbox::add(connection, caller, Some(customer), Mail::VerifyEmail)?;
    Ok(())
}

/// Adds a row about a session to the history of its customer.
fn add_to_history(
    connection: &mut DbConnection,
    event: Event,
    customer: i64,
    session: i64,
    caller: &Caller,
) -> DbResult<()> {
    match CustomerId::new(customer) {
        Some(customer) => history::add(connection, event, customer, SessionId::new(session), caller),
        None => Ok(()),
    }
}

/// Adds a failed sign-in to the history of the customer who has the email.
pub(crate) fn note_failure(connection: &mut DbConnection, customer: CustomerId, caller: &Caller) -> DbResult<()> {
    connection.transaction(|connection| history::add(connection, Event::SignInFailed, customer, None, caller))
}

/// Ends the customer's oldest sessions so that one more fits.
fn end_oldest(connection: &mut DbConnection, customer: i64) -> DbResult<()> {
    let oldest = sessions::table
        .filter(sessions::customer_id.eq(customer))
        .order((sessions::started_at.desc(), sessions::id.desc()))
        .offset(MOST_SESSIONS - 1)
        .limit(SWEPT)
        .select(sessions::id)
        .load::<i64>(connection)?;
    if !oldest.is_empty() {
        diesel::delete(sessions::table.filter(sessions::id.eq_any(oldest))).execute(connection)?;
    }
    Ok(())
}

/// The outcome of a refresh.
#[derive(Debug)]
pub(crate) enum Rotation {
    /// The successor of the token, and its customer. `repeated` if the successor was issued before.
    Successor { customer: CustomerId, counter: i64, ends_at: UtcMicros, repeated: bool },
    /// The session had ended.
    Ended,
    /// The token was used before, maybe by somebody else. The session has been ended.
    Reused(CustomerId),
}

/// Replaces a refresh token by its successor, if it is the newest of its session and the session has neither been idle for
/// too long nor ended. For [`GRACE`], the previous token yields the same successor: to the network that refreshed as often
/// as needed, to another network once. An older token, or a further network, ends the session.
pub(crate) fn rotate(
    connection: &mut DbConnection,
    claims: RefreshClaims,
    idle: TimeDelta,
    network: ClientNetwork,
    caller: &Caller,
) -> DbResult<Rotation> {
    let now = UtcMicros::now();
    let idle_since = now.minus(idle);
    let network = network.to_string();
    let counter = claims.counter.saturating_add(1);
    let newest = sessions::id.eq(claims.session.get()).and(sessions::counter.eq(claims.counter));
    let mut rotated = diesel::update(sessions::table.filter(newest))
        .filter(sessions::refreshed_at.gt(idle_since).and(sessions::ends_at.gt(now)))
        .set((
            sessions::counter.eq(counter),
            sessions::refreshed_at.eq(now),
            sessions::network.eq(&network),
            sessions::repeated.eq(false),
        ))
        .returning((sessions::customer_id, sessions::ends_at))
        .get_results::<(i64, UtcMicros)>(connection)?;
    if let Some((customer, ends_at)) = rotated.pop() {
        return Ok(rotated_to(customer, counter, ends_at, false));
    }
    connection.transaction(|connection| {
        let mut rows = sessions::table
            .filter(sessions::id.eq(claims.session.get()))
            .select(Session::as_select())
            .load::<Session>(connection)?;
        let Some(session) = rows.pop().filter(|session| session.ends_at > now && session.refreshed_at > idle_since)
        else {
            return Ok(Rotation::Ended);
        };
        let in_time = session.counter == counter && session.refreshed_at > now.minus(GRACE);
        let (id, customer) = (claims.session.get(), session.customer_id);
        if in_time && (session.network.as_ref() == Some(&network) || repeat(connection, claims.session, counter)?) {
            add_to_history(connection, Event::RefreshRepeated, customer, id, caller)?;
            return Ok(rotated_to(customer, counter, session.ends_at, true));
        }
        let ended = diesel::delete(sessions::table.find(id)).execute(connection)?;
        if ended == 0 {
            return Ok(Rotation::Ended);
        }
        add_to_history(connection, Event::RefreshReused, customer, id, caller)?;
        Ok(CustomerId::new(customer).map_or(Rotation::Ended, Rotation::Reused))
    })
}

/// Uses up the one repetition that another network has. Returns whether it was still available.
fn repeat(connection: &mut DbConnection, session: SessionId, counter: i64) -> DbResult<bool> {
    let unrepeated =
        sessions::id.eq(session.get()).and(sessions::counter.eq(counter)).and(sessions::repeated.eq(false));
    let update = diesel::update(sessions::table.filter(unrepeated)).set(sessions::repeated.eq(true));
    Ok(update.execute(connection)? == 1)
}

fn rotated_to(customer: i64, counter: i64, ends_at: UtcMicros, repeated: bool) -> Rotation {
    match CustomerId::new(customer) {
        Some(customer) => Rotation::Successor { customer, counter, ends_at, repeated },
        None => Rotation::Ended,
    }
}

/// Ends a session for the holder of its refresh token. Returns its customer, or `None` if it had ended already.
pub(crate) fn end(connection: &mut DbConnection, session: SessionId, caller: &Caller) -> DbResult<Option<CustomerId>> {
    connection.transaction(|connection| {
        let own = sessions::table.find(session.get());
        let ended = diesel::delete(own).returning(sessions::customer_id).get_results::<i64>(connection)?;
        let customer = ended.first().copied().and_then(CustomerId::new);
        if let Some(customer) = customer {
            history::add(connection, Event::SignOut, customer, Some(session), caller)?;
        }
        Ok(customer)
    })
}

/// Returns the customer's sessions, the newest first.
pub(crate) fn list(connection: &mut DbConnection, customer: &OwnedCustomer) -> DbResult<Result<Vec<Session>, Denied>> {
    let rows = customers::table
        .left_join(sessions::table)
        .filter(customers::id.eq(customer.id().get()))
        .order((sessions::started_at.desc(), sessions::id.desc()))
        .limit(MOST_SESSIONS)
        .select((customers::disabled_at.is_not_null(), Option::<Session>::as_select()))
        .load::<(bool, Option<Session>)>(connection)?;
    let (exists, disabled) = (!rows.is_empty(), rows.iter().any(|(disabled, _)| *disabled));
    let sessions: Vec<Session> = rows.into_iter().filter_map(|(_, session)| session).collect();
    Ok(match customer.session() {
        None if !exists => Err(Denied::Missing),
        None if disabled => Err(Denied::SessionEnded),
        Some(own) if sessions.iter().all(|session| session.id != own.get()) => Err(Denied::SessionEnded),
        _ => Ok(sessions),
    })
}

/// Which sessions of a customer end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// One of them.
    One(SessionId),
    /// All but the one that asks.
    Others,
    /// All.
    All,
}

impl Ending {
    /// Returns the session that the history names: the one that ends, or the one that asks.
    pub(crate) fn about(self, customer: &OwnedCustomer) -> Option<SessionId> {
        match self {
            Self::One(session) => Some(session),
            Self::Others | Self::All => customer.session(),
        }
    }
}

/// Ends sessions of the customer. Returns how many.
pub(crate) fn end_of_customer(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    ending: Ending,
    caller: &Caller,
) -> DbResult<Result<usize, Denied>> {
    connection.transaction(|connection| {
        if let Err(denied) = hold(connection, customer)? {
            return Ok(Err(denied));
        }
        let owned = sessions::customer_id.eq(customer.id().get());
        let ended = match ending {
            Ending::One(session) => {
                diesel::delete(sessions::table.filter(owned.and(sessions::id.eq(session.get())))).execute(connection)?
            }
            Ending::Others => {
                let own = customer.session().map_or(0, SessionId::get);
                diesel::delete(sessions::table.filter(owned.and(sessions::id.ne(own)))).execute(connection)?
            }
            Ending::All => diesel::delete(sessions::table.filter(owned)).execute(connection)?,
        };
        if ended == 0 && customer.session().is_none() {
            let found = customers::table.find(customer.id().get()).select(customers::disabled_at.is_null());
            return Ok(match found.load::<bool>(connection)?.pop() {
                None => Err(Denied::Missing),
                Some(false) => Err(Denied::SessionEnded),
                Some(true) => Ok(0),
            });
        }
        if ended > 0 {
            history::add(connection, Event::SignOut, customer.id(), ending.about(customer), caller)?;
        }
        Ok(Ok(ended))
    })
}

/// Ends all sessions of a customer, whoever asks: the caller has decided that they end. Returns how many.
pub(crate) fn end_all_of(connection: &mut DbConnection, customer: CustomerId) -> DbResult<usize> {
    Ok(diesel::delete(sessions::table.filter(sessions::customer_id.eq(customer.get()))).execute(connection)?)
}

/// Checks that the token's session is alive and locks its row until the transaction ends. It does so by writing the row
/// unchanged, which works on both databases. A disabled account has no session. A token without a session always passes:
/// the statement that writes checks that the account is enabled.
///
/// Reads and batches do not need this: their statements check the session themselves. See [`crate::customers`].
pub(crate) fn hold(connection: &mut DbConnection, customer: &OwnedCustomer) -> DbResult<Result<(), Denied>> {
    let Some(session) = customer.session() else {
        return Ok(Ok(()));
    };
    let own = sessions::id.eq(session.get()).and(sessions::customer_id.eq(customer.id().get()));
    let held =
        diesel::update(sessions::table.filter(own)).set(sessions::counter.eq(sessions::counter)).execute(connection)?;
    Ok(if held == 1 { Ok(()) } else { Err(Denied::SessionEnded) })
}

/// Marks the customer's session as used now, as a refresh does, so that it does not end by being idle. Does nothing if the
/// session has ended.
pub(crate) fn touch(connection: &mut DbConnection, customer: &OwnedCustomer) -> DbResult<()> {
    let own = customer.session().map_or(0, SessionId::get);
    let own = sessions::id.eq(own).and(sessions::customer_id.eq(customer.id().get()));
    let touched = diesel::update(sessions::table.filter(own)).set(sessions::refreshed_at.eq(UtcMicros::now()));
    touched.execute(connection)?;
    Ok(())
}

/// Deletes up to [`SWEPT`] sessions that have ended. Returns how many.
pub(crate) fn sweep(connection: &mut DbConnection, idle: TimeDelta) -> DbResult<usize> {
    let now = UtcMicros::now();
    let over = sessions::refreshed_at.le(now.minus(idle)).or(sessions::ends_at.le(now));
    let ids = sessions::table.filter(over).select(sessions::id).limit(SWEPT).load::<i64>(connection)?;
    if ids.is_empty() {
        return Ok(0);
    }
    // Checks the condition again, because a session may have been refreshed in between.
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(ids).and(over))).execute(connection)?)
}
