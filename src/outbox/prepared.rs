//! What becomes of a row when its turn comes.

use diesel::Connection;

use super::addressee;
use super::mail::{Content, Mail};
use super::queries::{self, Begun, Lease};
use crate::db::{DbConnection, DbResult};
use crate::ids::CustomerId;
use crate::mail::{Kind, Letter, Values};
use crate::tokens::LinkTokens;

/// Characters of a link's hash that are in a `Message-ID`.
const UNIQUE: usize = 12;

/// A row whose turn has come.
pub(super) enum Prepared {
    /// To be sent.
    Ready(Box<Letter>, Begun),
    /// Deleted, because it need not be sent any more.
    Dropped(Kind, Option<CustomerId>),
    /// Deleted before, or taken by another thread.
    Gone,
    /// Of a kind that only a newer version knows.
    Unreadable(Begun),
}

/// Renews the lease of a row, looks up to whom it goes and makes its link, in one transaction. With `keeps_files`, mails stay
/// on this machine.
pub(super) fn prepare(
    connection: &mut DbConnection,
    lease: Lease,
    tokens: &LinkTokens,
    links: &str,
    keeps_files: bool,
) -> DbResult<Prepared> {
    connection.transaction(|connection| {
        let Some(begun) = queries::begin(connection, lease)? else { return Ok(Prepared::Gone) };
        let Ok(Content { mail, language }) = serde_json::from_str::<Content>(&begun.content) else {
            return Ok(Prepared::Unreadable(begun));
        };
        let kind = mail.kind();
        // A file would keep the address that was erased.
        let is_kept = keeps_files && kind == Kind::Erased;
        let found = if is_kept { None } else { addressee::find(connection, &begun, &mail, tokens)? };
        let Some(addressee) = found else {
            queries::delete(connection, lease.id)?;
            return Ok(Prepared::Dropped(kind, begun.customer));
        };
        let link = kind.page().map(|page| format!("{links}{page}?token={}", tokens.derive(lease.id)));
        let network = if let Mail::NewNetwork { network } = mail { Some(network) } else { None };
        let letter = Letter {
            id: lease.id,
            unique: tokens.hash(lease.id).chars().take(UNIQUE).collect(),
            customer: addressee.customer,
            kind,
            language,
            to: addressee.email,
            values: Values { name: addressee.name, link, network },
        };
        Ok(Prepared::Ready(Box::new(letter), begun))
    })
}
