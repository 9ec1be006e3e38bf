//! Copies a SQLite database while it is in use.

use std::path::Path;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};

/// Writes everything that is committed to an empty file, and checks the copy. Other connections can write meanwhile.
/// The copy is a consistent snapshot, and unlike SQLite's online backup it does not restart at each change
/// (sqlite.org/lang_vacuum.html).
///
/// # Errors
/// Returns SQLite's error, or [`DbError::Internal`] if the copy is damaged.
pub(crate) fn back_up(database: &mut DbConnection, copy: &Path) -> DbResult<()> {
    let path = copy.to_str().ok_or_else(|| DbError::Internal("the path of the copy is not UTF-8".into()))?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(path).execute(database)?;
    let mut copied = SqliteConnection::establish(path).map_err(|error| DbError::Unavailable(error.to_string()))?;
    let rows: Vec<String> = sql::<Text>("PRAGMA integrity_check(1)").load(&mut copied)?;
    if rows == ["ok"] { Ok(()) } else { Err(DbError::Internal(format!("the copy is damaged: {}", rows.join("; ")))) }
}
