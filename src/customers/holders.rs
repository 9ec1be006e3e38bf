//! Who holds which email and slug, looked up for a whole batch of changes.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::db::{DbConnection, DbResult};
use crate::ids::CustomerId;
use crate::schema::customers;

/// Emails and slugs that changes would take.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) emails: Vec<String>,
    pub(super) slugs: Vec<String>,
}

/// The customer who holds each email and slug, as far as known: by the canonical email, or by the slug.
/// A name that is not known counts as free. The unique indexes have the last word.
#[derive(Default)]
pub(super) struct Holders {
    pub(super) emails: HashMap<String, CustomerId>,
    pub(super) slugs: HashMap<String, CustomerId>,
    /// Slugs with a random suffix that were looked up and are free. Of a name with 100,000 holders one suffix in 300 is
    /// taken; without this, one full batch of renames in three would fail and run again.
    pub(super) free: Vec<String>,
}

/// Looks up who holds these emails and slugs.
pub(super) fn find(connection: &mut DbConnection, wanted: Wanted) -> DbResult<Holders> {
    let Wanted { emails, slugs } = wanted;
    let mut holders = Holders::default();
    if !emails.is_empty() {
        let taken = customers::email_canonical.eq_any(emails);
        let rows = customers::table.filter(taken).select((customers::email_canonical, customers::id));
        holders.emails = by_name(rows.load(connection)?);
    }
    if !slugs.is_empty() {
        let taken = customers::slug.eq_any(&slugs);
        let rows = customers::table.filter(taken).select((customers::slug, customers::id));
        holders.slugs = by_name(rows.load(connection)?);
        holders.free = slugs.into_iter().filter(|slug| !holders.slugs.contains_key(slug)).collect();
    }
    Ok(holders)
}

fn by_name(rows: Vec<(String, i64)>) -> HashMap<String, CustomerId> {
    rows.into_iter().filter_map(|(name, id)| Some((name, CustomerId::new(id)?))).collect()
}
