//! `clientele customer set-password --link` and `--mail-link`

use super::who::{By, Who, missing};
use crate::cli::{Failure, print};
use crate::db::DbConnection;
use crate::events::Event;
use crate::http::{Denied, Operator};
use crate::ids::CustomerId;
use crate::recovery::support;
use crate::settings::Settings;
use crate::tokens::{LinkTokens, secret};

/// Prints a link to set a password.
pub(super) fn print_link(
    settings: &Settings,
    connection: &mut DbConnection,
    who: &Who,
    by: &By,
) -> Result<(), Failure> {
    check(settings)?;
    let id = who.id(connection)?;
    let secret = secret::load(&settings.auth).map_err(|error| Failure::Usage(format!("configuration: {error}")))?;
    let tokens = LinkTokens::new(&secret).map_err(|error| Failure::Failed(error.to_string()))?;
    let made = support::make_reset_link(connection, Operator::of_command_line(), id, &tokens, &by.caller())?;
    let token = made.map_err(|denied| failure(id, &denied))?;
    Event::Operator.record(Some(id), None);
    print(format_args!("{}reset?token={token}", settings.links(settings.server.bind)))
}

/// Mails a link to set a password.
pub(super) fn mail_link(settings: &Settings, connection: &mut DbConnection, who: &Who, by: &By) -> Result<(), Failure> {
    check(settings)?;
    let id = who.id(connection)?;
    let caller = by.caller_with_mail(settings);
    let added = support::mail_reset_link(connection, Operator::of_command_line(), id, &caller)?;
    added.map_err(|denied| failure(id, &denied))?;
    Event::Operator.record(Some(id), None);
    print("a link is on its way")
}

/// Checks that links can be used.
fn check(settings: &Settings) -> Result<(), Failure> {
    if settings.sends_mail() {
        return Ok(());
    }
    Err(Failure::Failed("links can be used only where mail is sent: see mail.transport".into()))
}

fn failure(id: CustomerId, denied: &Denied) -> Failure {
    match denied {
        Denied::Disabled => Failure::Failed(format!("customer {id} is disabled")),
        _ => missing(id),
    }
}
