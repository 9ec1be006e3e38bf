//! `clientele customer set-password|disable|enable|end-sessions`

use clap::Args;

use super::reset_link;
use super::values::read_password;
use super::who::{By, Who, missing};
use crate::cli::{Failure, connect_existing, print};
use crate::customers::support;
use crate::events::Event;
use crate::http::Operator;
use crate::ids::CustomerId;
use crate::settings::Settings;

/// Which account, and who runs the command.
#[derive(Args)]
pub(crate) struct Account {
    /// The customer's id or email
    #[arg(value_parser = Who::parse)]
    who: Who,
    #[command(flatten)]
    by: By,
}

#[derive(Args)]
#[command(group(clap::ArgGroup::new("way").required(true)))]
pub(crate) struct SetPassword {
    #[command(flatten)]
    account: Account,
    /// Read the password from the first line of standard input
    #[arg(long, group = "way")]
    password_stdin: bool,
    /// Print a link to set a password, which works once, within an hour
    #[arg(long, group = "way")]
    link: bool,
    /// Mail such a link to the customer
    #[arg(long, group = "way")]
    mail_link: bool,
}

fn record(id: CustomerId, events: [Event; 2]) {
    for event in events {
        event.record(Some(id), None);
    }
}

impl Account {
    /// Disables or enables the account. Nothing changes if it is so already.
    pub(super) fn set_disabled(self, settings: &Settings, disabled: bool) -> Result<(), Failure> {
        let mut connection = connect_existing(settings)?;
        let (id, operator) = (self.who.id(&mut connection)?, Operator::of_command_line());
        let changed = support::set_disabled(&mut connection, operator, id, disabled, &self.by.caller())?;
        if changed.ok_or_else(|| missing(id))? {
            record(id, [if disabled { Event::Disabled } else { Event::Enabled }, Event::Operator]);
        }
        Ok(())
    }

    pub(super) fn end_sessions(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect_existing(settings)?;
        let id = self.who.id(&mut connection)?;
        let ended = support::end_sessions(&mut connection, Operator::of_command_line(), id, &self.by.caller())?;
        let ended = ended.ok_or_else(|| missing(id))?;
        if ended > 0 {
            record(id, [Event::SignOut, Event::Operator]);
        }
        print(sessions_ended(ended))
    }
}

impl SetPassword {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let Account { who, by } = self.account;
        let mut connection = connect_existing(settings)?;
        if self.link {
            return reset_link::print_link(settings, &mut connection, &who, &by);
        }
        if self.mail_link {
            return reset_link::mail_link(settings, &mut connection, &who, &by);
        }
        let (id, found) = who.find(&mut connection)?;
        let customer = &found.customer;
        let hash = read_password(&[&customer.email, &customer.first_name, &customer.last_name])?;
        let ended = support::set_password(
            &mut connection,
            Operator::of_command_line(),
            id,
            &hash,
            &by.caller_with_mail(settings),
        )?;
        let ended = ended.ok_or_else(|| missing(id))?;
        record(id, [Event::PasswordChange, Event::Operator]);
        print(sessions_ended(ended))
    }
}

fn sessions_ended(count: usize) -> String {
    match count {
        1 => "1 session ended".to_owned(),
        count => format!("{count} sessions ended"),
    }
}
