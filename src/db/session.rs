//! What a start finds out about PostgreSQL's sessions: whether they are the service's own, and in which language they speak.

use std::sync::mpsc;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::{DbConnection, establish};
use super::error::DbResult;
use super::transaction::{Begin, write_transaction};
use crate::settings::{PostgresUrl, Session, Target};
use crate::threads::Progress;

/// Checks that the database lends its sessions as `database.session` says.
///
/// # Errors
/// One line that says what to set, or that there is no connection.
pub fn check_session(target: &Target, timeout: Duration) -> Result<(), String> {
    match target {
        Target::Sqlite(_) => Ok(()),
        Target::Postgres(url, Session::Direct) => match is_lent(url, timeout) {
            Err(error) => Err(error.to_string()),
            Ok(true) => {
                Err("a pooler lends one session to several connections: set database.session = \"pooled\"".into())
            }
            Ok(false) => Ok(()),
        },
        Target::Postgres(..) => match target.connect(timeout, timeout) {
            Err(error) => Err(error.to_string()),
            Ok(mut connection) => admits_transactions(&mut connection, &Begin::of(target, timeout)).map_err(|error| {
                format!("a pooler must be in transaction or session mode (database.session): {error}")
            }),
        },
    }
}

fn admits_transactions(connection: &mut DbConnection, begin: &Begin) -> DbResult<()> {
    write_transaction(connection, begin, &Progress::default(), |_| Ok(()))
}

/// Whether two connections meet one server process, or one connection meets two. Nothing is left in any of them.
fn is_lent(url: &PostgresUrl, timeout: Duration) -> ConnectionResult<bool> {
    let mut first = establish(url, timeout, timeout)?;
    let Ok(before) = server_process(&mut first) else { return Ok(false) };
    let (sender, receiver) = mpsc::channel();
    let url = url.clone();
    // A pooler in session mode, or a server that has no connection left, may keep this one waiting: that is no answer.
    std::thread::spawn(move || {
        let second = establish(&url, timeout, timeout).map(|mut second| (server_process(&mut second), second));
        // Nobody may listen any more.
        drop(sender.send(second));
    });
    let second = receiver.recv_timeout(timeout).ok().and_then(Result::ok);
    let after = server_process(&mut first);
    let is_shared = second.is_some_and(|(found, _connection)| found.is_ok_and(|found| found == before));
    Ok(is_shared || after.is_ok_and(|found| found != before))
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
