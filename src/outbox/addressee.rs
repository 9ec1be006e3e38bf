//! Looks up to whom a mail goes and what it shows, when it is about to be sent.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::mail::Mail;
use super::queries::Begun;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::ids::{CustomerId, EntryId};
use crate::mail::Kind;
use crate::schema::{customers, links};
use crate::tokens::{LinkKind, LinkTokens};

/// To whom a mail goes.
#[derive(Debug)]
pub(super) struct Addressee {
    pub(super) customer: Option<CustomerId>,
    pub(super) email: String,
    /// The first name, if the email is verified.
    pub(super) name: Option<String>,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    email: String,
    first_name: String,
    email_verified_at: Option<UtcMicros>,
}

impl From<Row> for Addressee {
    fn from(row: Row) -> Self {
        let name = row.email_verified_at.map(|_| row.first_name);
        Self { customer: CustomerId::new(row.id), email: row.email, name }
    }
}

#[derive(Insertable)]
#[diesel(table_name = links)]
struct Link<'a> {
    id: i64,
    customer_id: i64,
    kind: &'static str,
    hash: String,
    email: Option<&'a str>,
    was_verified: bool,
    expires_at: UtcMicros,
}

impl Mail {
    /// Returns the kind, which decides about the texts.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::VerifyEmail => Kind::VerifyEmail,
            Self::ForgottenPassword { .. } => Kind::ForgottenPassword,
            Self::ResetPassword => Kind::ResetPassword,
            Self::ConfirmEmail => Kind::ConfirmEmail,
            Self::EmailChangeRequested => Kind::EmailChangeRequested,
            Self::EmailChanged { .. } => Kind::EmailChanged,
            Self::PasswordChanged => Kind::PasswordChanged,
            Self::PasswordReset => Kind::PasswordReset,
            Self::NewNetwork { .. } => Kind::NewNetwork,
            Self::Erased { .. } => Kind::Erased,
        }
    }

    /// Returns the kind of the mail's link.
    pub(super) fn link(&self) -> Option<LinkKind> {
        match self {
            Self::VerifyEmail => Some(LinkKind::Verify),
            Self::ForgottenPassword { .. } | Self::ResetPassword => Some(LinkKind::Reset),
            Self::ConfirmEmail => Some(LinkKind::EmailChange),
            Self::EmailChanged { .. } => Some(LinkKind::Revert),
            _ => None,
        }
    }
}

/// Returns to whom a mail goes, and makes its link. `None` if it need not be sent any more: the customer is erased, disabled
/// or unknown, the email is verified, or the link is used, or replaced by a newer one.
pub(super) fn find(
    connection: &mut DbConnection,
    begun: &Begun,
    mail: &Mail,
    tokens: &LinkTokens,
) -> DbResult<Option<Addressee>> {
    if let Mail::Erased { email, first_name } = mail {
        return Ok(Some(Addressee { customer: None, email: email.clone(), name: first_name.clone() }));
    }
    let Some(row) = customer(connection, begun, mail)? else { return Ok(None) };
    let id = row.id;
    if *mail == Mail::VerifyEmail && row.email_verified_at.is_some() {
        return Ok(None);
    }
    let mut addressee = Addressee::from(row);
    // Whether these addresses are the customer's is not known, so no name is shown.
    if let Mail::EmailChanged { old_email, .. } = mail {
        addressee = Addressee { email: old_email.clone(), name: None, ..addressee };
    } else if *mail == Mail::ConfirmEmail {
        let Some(email) =
            links::table.find(begun.lease.id.get()).select(links::email).load::<Option<String>>(connection)?.pop()
        else {
            return Ok(None);
        };
        addressee = Addressee { email: email.unwrap_or_default(), name: None, ..addressee };
    }
    let Some(kind) = mail.link() else { return Ok(Some(addressee)) };
    let reverts_to = match mail {
        Mail::EmailChanged { old_email, verified } => Some((old_email.as_str(), *verified)),
        _ => None,
    };
    let is_alive = keep_link(connection, begun, id, kind, reverts_to, tokens)?;
    Ok(is_alive.then_some(addressee))
}

/// Returns the customer, locked so that no other mail to this customer makes a link at the same time.
fn customer(connection: &mut DbConnection, begun: &Begun, mail: &Mail) -> DbResult<Option<Row>> {
    let id = match mail {
        Mail::ForgottenPassword { email } => {
            let known = customers::table.filter(customers::email_canonical.eq(email)).select(customers::id);
            known.load::<i64>(connection)?.pop()
        }
        _ => begun.customer.map(CustomerId::get),
    };
    let Some(id) = id else { return Ok(None) };
    let columns = (customers::id, customers::email, customers::first_name, customers::email_verified_at);
    let enabled = customers::table.find(id).filter(customers::disabled_at.is_null()).select(columns);
    let rows = match connection {
        DbConnection::Postgres(postgres) => enabled.for_no_key_update().load::<Row>(postgres)?,
        DbConnection::Sqlite(sqlite) => enabled.load::<Row>(sqlite)?,
    };
    Ok(rows.into_iter().next())
}

/// Makes the link of a mail, or lets it last from now on if it exists. Returns whether there is one.
///
/// A link is made only for a mail that was not sent before: if it is missing later, it was used, or ended. It replaces older ones of
/// its kind. But each change of the email has a link of its own: `reverts_to` is the email before it, and whether it was verified.
fn keep_link(
    connection: &mut DbConnection,
    begun: &Begun,
    customer: i64,
    kind: LinkKind,
    reverts_to: Option<(&str, bool)>,
    tokens: &LinkTokens,
) -> DbResult<bool> {
    let id = begun.lease.id.get();
    let lifetime = TimeDelta::from_std(kind.lifetime()).unwrap_or_default();
    let expires_at = UtcMicros::now().plus(lifetime);
    let hash = tokens.hash(begun.lease.id);
    // The secret behind the hash may be another one since.
    let renewed = (links::hash.eq(&hash), links::expires_at.eq(expires_at));
    let kept = diesel::update(links::table.find(id)).set(renewed).execute(connection)?;
    if kept > 0 || kind == LinkKind::EmailChange {
        return Ok(kept > 0);
    }
    if begun.attempts > 1 || reverts_to.is_none() && has_newer(connection, begun.lease.id, customer, kind)? {
        return Ok(false);
    }
    if reverts_to.is_none() {
        let older = links::customer_id.eq(customer).and(links::kind.eq(kind.name())).and(links::id.lt(id));
        diesel::delete(links::table.filter(older)).execute(connection)?;
    }
    let email = reverts_to.map(|(email, _)| email);
    let was_verified = reverts_to.is_some_and(|(_, verified)| verified);
    let link = Link { id, customer_id: customer, kind: kind.name(), hash, email, was_verified, expires_at };
    diesel::insert_into(links::table).values(link).execute(connection)?;
    Ok(true)
}

/// Returns whether a link that is newer than a mail has replaced the mail's.
fn has_newer(connection: &mut DbConnection, id: EntryId, customer: i64, kind: LinkKind) -> DbResult<bool> {
    let newer = links::customer_id.eq(customer).and(links::kind.eq(kind.name())).and(links::id.gt(id.get()));
    Ok(!links::table.filter(newer).select(links::id).limit(1).load::<i64>(connection)?.is_empty())
}
