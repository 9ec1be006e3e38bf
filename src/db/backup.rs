//! Copies of a SQLite database, whole, while others go on writing it.

use std::path::Path;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::DbConnection;
use super::error::{DbError, DbResult};

/// Writes what is committed by now into a file that is empty, and checks that it can be read. Changes go on meanwhile: the
/// copy is of one moment, and unlike SQLite's online backup it does not begin anew at each change (sqlite.org/lang_vacuum.html).
///
/// # Errors
/// What SQLite said, or that the copy is damaged.
pub(crate) fn back_up(database: &mut DbConnection, copy: &Path) -> DbResult<()> {
    let path = copy.to_str().ok_or_else(|| DbError::Internal("the path of the copy is not UTF-8".into()))?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(path).execute(database)?;
    let mut copied = SqliteConnection::establish(path).map_err(|error| DbError::Unavailable(error.to_string()))?;
    let said: Vec<String> = sql::<Text>("PRAGMA integrity_check(1)").load(&mut copied)?;
    if said == ["ok"] { Ok(()) } else { Err(DbError::Internal(format!("the copy is damaged: {}", said.join("; ")))) }
}
