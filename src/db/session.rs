//! What a start finds out about PostgreSQL's sessions: whether they are the service's own, and in which language they speak.

use std::sync::mpsc;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::{DbConnection, establish, set_up};
use super::error::DbResult;
use super::transaction::{Begin, write_transaction};
use crate::settings::{PostgresUrl, Session, Target};
use crate::threads::Progress;

impl Target {
    /// Opens a connection as [`Self::connect`] does, once it is certain that sessions are what `database.session` says: before
    /// anything is left in one.
    ///
    /// # Errors
    /// What the database said, or one line that says what to set.
    pub fn connect_checked(
        &self,
        connect_timeout: Duration,
        statement_timeout: Duration,
    ) -> Result<DbConnection, String> {
        let one_line = |error: ConnectionError| error.to_string().trim().replace('\n', " ");
        if let Self::Postgres(url, Session::Direct) = self {
            let mut connection = establish(url, connect_timeout, statement_timeout).map_err(one_line)?;
            if is_lent(&mut connection, url, connect_timeout) {
                return Err(
                    "a pooler lends one session to several connections: set database.session = \"pooled\"".into()
                );
            }
            set_up(&mut connection, statement_timeout).map_err(|error| error.to_string())?;
            return Ok(DbConnection::Postgres(connection));
        }
        let mut connection = self.connect(connect_timeout, statement_timeout).map_err(one_line)?;
        if let Self::Postgres(..) = self {
            admits_transactions(&mut connection, &Begin::of(self, statement_timeout)).map_err(|error| {
                format!("a pooler must be in transaction or session mode (database.session): {error}")
            })?;
        }
        Ok(connection)
    }
}

fn admits_transactions(connection: &mut DbConnection, begin: &Begin) -> DbResult<()> {
    write_transaction(connection, begin, &Progress::default(), |_| Ok(()))
}

/// Whether two connections meet one server process, or one connection meets two. Nothing is left in any of them.
fn is_lent(first: &mut PgConnection, url: &PostgresUrl, timeout: Duration) -> bool {
    let Ok(before) = server_process(first) else { return false };
    let (sender, receiver) = mpsc::channel();
    let url = url.clone();
    // A pooler in session mode, or a server that has no connection left, may keep this one waiting: that is no answer.
    std::thread::spawn(move || {
        let second = establish(&url, timeout, timeout).map(|mut second| (server_process(&mut second), second));
        // Nobody may listen any more.
        drop(sender.send(second));
    });
    let second = receiver.recv_timeout(timeout).ok().and_then(Result::ok);
    let after = server_process(first);
    let is_shared = second.is_some_and(|(found, _connection)| found.is_ok_and(|found| found == before));
    is_shared || after.is_ok_and(|found| found != before)
}

/// Which process of which server serves this connection.
fn server_process(connection: &mut PgConnection) -> QueryResult<String> {
    diesel::select(sql::<Text>("pg_backend_pid() || ' ' || pg_postmaster_start_time()")).get_result(connection)
}

/// The value of `lc_messages`, if the database's messages are in another language than English.
///
/// # Errors
/// What the database said.
pub fn foreign_messages(connection: &mut DbConnection) -> DbResult<Option<String>> {
    if let DbConnection::Sqlite(_) = connection {
        return Ok(None);
    }
    let setting: String = diesel::select(sql::<Text>("current_setting('lc_messages')")).get_result(connection)?;
    let is_english = ["", "C", "POSIX"].contains(&setting.as_str())
        || ["C.", "en", "English"].iter().any(|english| setting.starts_with(english));
    Ok((!is_english).then_some(setting))
}
