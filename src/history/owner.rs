//! The history for its owner. A module of its own, because [`crate::customers`] imports the others.

use super::entry::Entry;
use super::queries::of_customer;
use crate::customers::find_owned;
use crate::db::{DbConnection, DbResult};
use crate::http::{Denied, OwnedCustomer};
use crate::ids::EntryId;

/// Returns a page of the owner's history, newest first.
pub(super) fn page(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    limit: i64,
    before: Option<EntryId>,
) -> DbResult<Result<Vec<Entry>, Denied>> {
    match find_owned(connection, customer)? {
        Ok(_) => Ok(Ok(of_customer(connection, customer.id(), Some(limit), before)?)),
        Err(denied) => Ok(Err(denied)),
    }
}
