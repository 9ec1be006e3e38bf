//! Returns all customers in the form that an import reads, in chunks, so memory does not grow with their number.

use std::collections::{BTreeMap, HashMap};

use chrono::SecondsFormat;
use diesel::prelude::*;
use serde::Serialize;

use super::model::Customer;
use super::read::find_many;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::http::Operator;
use crate::ids::CustomerId;
use crate::schema::{customers, passwords};

/// The number of customers in one chunk.
const CHUNK: i64 = 1_000;

/// One customer of an export.
#[derive(Serialize)]
pub struct ExportLine {
    /// The customer's id. The next chunk begins after the id of the last one.
    pub id: i64,
    /// The profile.
    #[serde(flatten)]
    pub customer: Customer,
    /// When the customer registered.
    pub created_at: String,
    /// When the email was verified, if it was.
    pub email_verified: Option<String>,
    /// When the account was disabled, if it is.
    pub disabled_at: Option<String>,
    /// The password's hash, if the export has hashes and the customer a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
}

type Times = (String, UtcMicros, Option<UtcMicros>, Option<UtcMicros>);

/// Returns the next chunk of customers after an id, in the order of ids. It is empty at the end.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn export(
    connection: &mut DbConnection,
    operator: Operator,
    after: i64,
    with_passwords: bool,
) -> DbResult<Vec<ExportLine>> {
    let times: BTreeMap<i64, Times> = customers::table
        .filter(customers::id.gt(after))
        .order(customers::id)
        .limit(CHUNK)
        .select((
            customers::id,
            (customers::email, customers::created_at, customers::email_verified_at, customers::disabled_at),
        ))
        .load::<(i64, Times)>(connection)?
        .into_iter()
        .collect();
    let ids: Vec<i64> = times.keys().copied().collect();
    let mut hashes: HashMap<i64, String> = HashMap::new();
    if with_passwords {
        let rows = passwords::table
            .filter(passwords::customer_id.eq_any(&ids))
            .select((passwords::customer_id, passwords::hash))
            .load::<(i64, String)>(connection)?;
        hashes.extend(rows);
    }
    let found = find_many(connection, operator, ids.iter().filter_map(|id| CustomerId::new(*id)))?;
    let line = |(id, customer): (CustomerId, Customer)| {
        let id = id.get();
        let (email, created_at, email_verified, disabled_at) = times.get(&id)?;
        // The email may have changed between the two statements.
        let email_verified = email_verified.filter(|_| *email == customer.email);
        Some(ExportLine {
            id,
            customer,
            created_at: to_micros(*created_at),
            email_verified: email_verified.map(to_micros),
            disabled_at: disabled_at.map(to_micros),
            password_hash: hashes.remove(&id),
        })
    };
    Ok(found.into_iter().filter_map(line).collect())
}

/// Formats a time without losing a digit.
fn to_micros(time: UtcMicros) -> String {
    time.naive().and_utc().to_rfc3339_opts(SecondsFormat::Micros, true)
}
