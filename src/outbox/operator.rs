//! What the operator sees of the outbox and does with it.

use diesel::prelude::*;
use serde::Serialize;

use super::mail::Content;
use crate::db::{DbConnection, DbResult, UtcMicros};
use crate::http::Operator;
use crate::ids::EntryId;
use crate::schema::outbox;

/// A row without anything personal.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) customer: Option<i64>,
    /// The kind of mail. Not known any more once delivery has failed.
    pub(crate) kind: Option<String>,
    /// How old the row is.
    pub(crate) age_seconds: i64,
    pub(crate) attempts: i64,
    /// When it is tried next, or `null` if it has failed.
    pub(crate) next_attempt: Option<String>,
    pub(crate) error: Option<String>,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    customer: Option<i64>,
    content: String,
    attempts: i64,
    due_at: Option<UtcMicros>,
    error: Option<String>,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        let content = serde_json::from_str::<Content>(&row.content).ok();
        Self {
            id: row.id.to_string(),
            customer: row.customer,
            kind: content.map(|content| content.mail.kind().name().to_owned()),
            age_seconds: EntryId::of_row(row.id).seconds_before(EntryId::generate()),
            attempts: row.attempts,
            next_attempt: row.due_at.map(UtcMicros::to_rfc3339),
            error: row.error,
        }
    }
}

/// What became of a row that the operator wants to be delivered at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Retried {
    /// This many rows are due now.
    Due(usize),
    /// Its delivery has failed, so its content is gone.
    Failed,
    /// It is being delivered, or about to be.
    Underway,
    /// There is no such row.
    Missing,
}

/// Returns rows, the oldest first.
pub(crate) fn list(connection: &mut DbConnection, _operator: Operator, limit: i64) -> DbResult<Vec<Listed>> {
    let columns = (outbox::id, outbox::customer_id, outbox::content, outbox::attempts, outbox::due_at, outbox::error);
    let rows = outbox::table.order(outbox::id).limit(limit).select(columns).load::<Row>(connection)?;
    Ok(rows.into_iter().map(Listed::from).collect())
}

/// Makes a row due now, or all rows, if they wait to be tried again.
pub(crate) fn retry(connection: &mut DbConnection, _operator: Operator, id: Option<EntryId>) -> DbResult<Retried> {
    let waiting = outbox::due_at.is_not_null().and(outbox::error.is_not_null());
    let due = outbox::due_at.eq(UtcMicros::now());
    let Some(id) = id.map(EntryId::get) else {
        return Ok(Retried::Due(diesel::update(outbox::table.filter(waiting)).set(due).execute(connection)?));
    };
    if diesel::update(outbox::table.filter(outbox::id.eq(id).and(waiting))).set(due).execute(connection)? > 0 {
        return Ok(Retried::Due(1));
    }
    let found = outbox::table.find(id).select(outbox::due_at).load::<Option<UtcMicros>>(connection)?.pop();
    Ok(match found {
        None => Retried::Missing,
        Some(None) => Retried::Failed,
        Some(Some(_)) => Retried::Underway,
    })
}
