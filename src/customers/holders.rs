//! Looks up which customers hold the emails and slugs that a batch of changes needs.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::db::{DbConnection, DbResult};
use crate::ids::CustomerId;
use crate::schema::customers;

/// Emails and slugs that changes assign to customers.
#[derive(Default)]
pub(super) struct NewNames {
    pub(super) emails: Vec<String>,
    pub(super) slugs: Vec<String>,
}

/// The known holders, by canonical email and by slug. An email or a slug that is missing here counts as free; the
/// unique indexes decide in the end.
#[derive(Default)]
pub(super) struct Holders {
    pub(super) emails: HashMap<String, CustomerId>,
    pub(super) slugs: HashMap<String, CustomerId>,
    /// Slugs with a random suffix that were looked up and are free. If a name has 100,000 holders, one suffix in 300 is
    /// taken. Without the look-up, one full batch of renames in three would fail and run again.
    pub(super) free: Vec<String>,
}

/// Looks up the holders of emails and slugs.
pub(super) fn find(connection: &mut DbConnection, new_names: NewNames) -> DbResult<Holders> {
    let NewNames { emails, slugs } = new_names;
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
