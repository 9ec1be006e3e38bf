//! Adds rows, in the transaction of their cause.

use diesel::prelude::*;

use super::mail::{Content, Mail};
use crate::db::{DbConnection, DbError, DbResult, UtcMicros};
use crate::history::Caller;
use crate::ids::{CustomerId, EntryId};
use crate::schema::outbox;

/// The kind of rows that are mails.
pub(super) const MAIL: &str = "mail";

#[derive(Insertable)]
#[diesel(table_name = outbox)]
struct Row {
    id: i64,
    customer_id: Option<i64>,
    kind: &'static str,
    content: String,
    attempts: i64,
    due_at: UtcMicros,
}

/// Adds a mail, unless `caller` says that no mail is sent. Returns the row's id, which is also the id of its link.
pub(crate) fn add(
    connection: &mut DbConnection,
    caller: &Caller,
    customer: Option<CustomerId>,
    mail: Mail,
) -> DbResult<Option<EntryId>> {
    let id = EntryId::generate();
    let Some(row) = row(id, caller, customer, mail)? else { return Ok(None) };
    diesel::insert_into(outbox::table).values(row).execute(connection)?;
    Ok(Some(id))
}

/// Adds mails to customers, with one statement on PostgreSQL. Those of callers for whom no mail is sent are left out.
pub(crate) fn add_all(connection: &mut DbConnection, mails: Vec<(&Caller, CustomerId, Mail)>) -> DbResult<()> {
    let first = EntryId::generate();
    let numbered = mails.into_iter().enumerate();
    let rows =
        numbered.map(|(number, (caller, customer, mail))| row(first.after(number), caller, Some(customer), mail));
    let rows: Vec<Row> = rows.filter_map(Result::transpose).collect::<DbResult<_>>()?;
    match connection {
        _ if rows.is_empty() => {}
        DbConnection::Postgres(postgres) => {
            diesel::insert_into(outbox::table).values(&rows).execute(postgres)?;
        }
        DbConnection::Sqlite(sqlite) => {
            for row in &rows {
                diesel::insert_into(outbox::table).values(row).execute(sqlite)?;
            }
        }
    }
    Ok(())
}

fn row(id: EntryId, caller: &Caller, customer: Option<CustomerId>, mail: Mail) -> DbResult<Option<Row>> {
    let Some(language) = caller.language() else { return Ok(None) };
    let content = serde_json::to_string(&Content { mail, language });
    Ok(Some(Row {
        id: id.get(),
        customer_id: customer.map(CustomerId::get),
        kind: MAIL,
        content: content.map_err(|error| DbError::Internal(error.to_string()))?,
        attempts: 0,
        due_at: UtcMicros::now(),
    }))
}
