//! Ends links, in the transaction of what they must not outlive.

use diesel::prelude::*;

use crate::db::{DbConnection, DbResult};
use crate::ids::CustomerId;
use crate::schema::links;
use crate::tokens::LinkKind;

/// Ends the links of customers whose password or email changes. Links that revert a change of the email stay: otherwise whoever
/// took over an account could end them by one more change.
pub(crate) fn end_links(connection: &mut DbConnection, customers: &[CustomerId]) -> DbResult<()> {
    let ids = customers.iter().map(|customer| customer.get());
    let ended = links::customer_id.eq_any(ids).and(links::kind.ne(LinkKind::Revert.name()));
    diesel::delete(links::table.filter(ended)).execute(connection)?;
    Ok(())
}
