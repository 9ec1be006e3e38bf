//! Checks of PostgreSQL's sessions at the start: whether a pooler shares them, and the language of their messages.

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
    /// Opens a connection as [`Self::connect`] does, but first checks that sessions are as `database.session` says. The
    /// check comes before any setting is left in a session.
    ///
    /// # Errors
    /// Returns the database's error, or a line that says which setting to change.
    pub fn connect_checked(
        &self,
        connect_timeout: Duration,
        statement_timeout: Duration,
    ) -> Result<DbConnection, String> {
        let one_line = |error: ConnectionError| error.to_string().trim().replace('\n', " ");
        if let Self::Postgres(url, Session::Direct) = self {
            let mut connection = establish(url, connect_timeout, statement_timeout).map_err(one_line)?;
            if is_pooled(&mut connection, url, connect_timeout) {
                return Err(
                    "a pooler lends one session to several connections: set database.session = \"pooled\"".into()
                );
            }
            set_up(&mut connection, statement_timeout).map_err(|error| error.to_string())?;
            return Ok(DbConnection::Postgres(connection));
        }
        let mut connection = self.connect(connect_timeout, statement_timeout).map_err(one_line)?;
        if let Self::Postgres(..) = self {
            check_transactions(&mut connection, &Begin::of(self, statement_timeout)).map_err(|error| {
                format!("a pooler must be in transaction or session mode (database.session): {error}")
            })?;
        }
        Ok(connection)
    }
}

fn check_transactions(connection: &mut DbConnection, begin: &Begin) -> DbResult<()> {
    write_transaction(connection, begin, &Progress::default(), |_| Ok(()))
}

/// Returns whether two connections share a server process, or one connection switches between two. Leaves nothing
/// behind in the sessions.
fn is_pooled(first: &mut PgConnection, url: &PostgresUrl, timeout: Duration) -> bool {
    let Ok(before) = server_process(first) else { return false };
    let (sender, receiver) = mpsc::channel();
    let url = url.clone();
    // A pooler in session mode, or a server without free connections, may block this connection. Then it proves
    // nothing.
    std::thread::spawn(move || {
        let second = establish(&url, timeout, timeout).map(|mut second| (server_process(&mut second), second));
        // The receiver may have timed out already.
        drop(sender.send(second));
    });
    let second = receiver.recv_timeout(timeout).ok().and_then(Result::ok);
    let after = server_process(first);
    let is_shared = second.is_some_and(|(process, _connection)| process.is_ok_and(|process| process == before));
    is_shared || after.is_ok_and(|process| process != before)
}

/// Returns an identifier of the server process behind this connection, unique across servers.
fn server_process(connection: &mut PgConnection) -> QueryResult<String> {
    diesel::select(sql::<Text>("pg_backend_pid() || ' ' || pg_postmaster_start_time()")).get_result(connection)
}

/// Returns the value of `lc_messages` if the messages of the database are not in English.
///
/// # Errors
/// Returns the database's error.
pub fn foreign_messages(connection: &mut DbConnection) -> DbResult<Option<String>> {
    if let DbConnection::Sqlite(_) = connection {
        return Ok(None);
    }
    let setting: String = diesel::select(sql::<Text>("current_setting('lc_messages')")).get_result(connection)?;
    let is_english = ["", "C", "POSIX"].contains(&setting.as_str())
        || ["C.", "en", "English"].iter().any(|english| setting.starts_with(english));
    Ok((!is_english).then_some(setting))
}
