//! `clientele customer …`

mod account;
mod find;
mod history;
mod reset_link;
pub(super) mod table;
mod update;
mod values;
pub(super) mod who;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use self::account::{Account, SetPassword};
use self::values::{parse_date, parse_first_name, parse_last_name, read_password};
pub(super) use self::values::{parse_email, parse_id, print_json};
use self::who::{By, Who};
use super::{Failure, connect, connect_existing, print};
use crate::customers::{self, Email, Name, NewCustomer, support};
use crate::db::{Constraint, DbError, in_transaction};
use crate::events::Event;
use crate::http::Operator;
use crate::ids::CustomerId;
use crate::mail;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Customer {
    /// Create a customer and print only the id
    Create(Box<Create>),
    /// Find customers by a part of the email, name or slug
    Find(find::Find),
    /// Print a customer as JSON
    Show {
        /// The customer's id or email
        #[arg(value_parser = Who::parse)]
        who: Who,
    },
    /// Change email, names or date of birth, and print the customer as JSON
    Update(Box<update::Update>),
    /// Set a password, which ends all sessions, or make a link with which the customer sets one
    SetPassword(SetPassword),
    /// Disable an account: its sessions end, and it cannot be used
    Disable(Account),
    /// Enable a disabled account
    Enable(Account),
    /// End all sessions
    EndSessions(Account),
    /// Print the history of an account, newest first
    History(history::History),
    /// Erase a customer with address, sessions, password and history
    Erase {
        /// The customer's id or email
        #[arg(value_parser = Who::parse)]
        who: Who,
    },
    /// Add customers from JSON Lines or CSV; lines whose customer exists change nothing, so an import can be repeated
    Import(super::import::Import),
    /// Write all customers as JSON Lines, CSV or TSV, or all data about one customer as a JSON document
    Export(super::export::Export),
}

#[derive(Args)]
pub(super) struct Create {
    /// Must not belong to another customer
    #[arg(long, value_parser = parse_email)]
    email: Email,
    /// 1 to 150 characters
    #[arg(long, value_parser = parse_first_name)]
    first_name: Name,
    /// 0 to 150 characters
    #[arg(long, value_parser = parse_last_name)]
    last_name: Name,
    /// The id to use (default: a new one)
    #[arg(long, value_parser = parse_id)]
    id: Option<CustomerId>,
    /// YYYY-MM-DD
    #[arg(long, value_parser = parse_date)]
    date_of_birth: Option<NaiveDate>,
    /// Read a password from the first line of standard input; without it the customer cannot sign in
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    by: By,
}

impl Customer {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(settings),
            Self::Find(command) => command.run(settings),
            Self::Show { who } => print_json(&who.find(&mut connect_existing(settings)?)?.1.customer),
            Self::Update(command) => command.run(settings),
            Self::SetPassword(command) => command.run(settings),
            Self::Disable(account) => account.set_disabled(settings, true),
            Self::Enable(account) => account.set_disabled(settings, false),
            Self::EndSessions(account) => account.end_sessions(settings),
            Self::History(command) => command.run(settings),
            Self::Erase { who } => erase(&who, settings),
            Self::Import(command) => command.run(settings),
            Self::Export(command) => command.run(settings),
        }
    }
}

/// Erases a customer, and then the mails about the customer if they are files.
fn erase(who: &Who, settings: &Settings) -> Result<(), Failure> {
    let mut connection = connect_existing(settings)?;
    let id = who.id(&mut connection)?;
    let caller = By::default().caller_with_mail(settings);
    if !customers::erase_by_id(&mut connection, Operator::of_command_line(), id, &caller)? {
        return Err(who::missing(id));
    }
    Event::Erasure.record(Some(id), None);
    let Some(folder) = settings.mail.files() else { return Ok(()) };
    mail::file::remove_of(folder, id).map_err(|error| {
        let folder = folder.display();
        Failure::Failed(format!("customer {id} was erased, but the mails in {folder} were not removed: {error}"))
    })
}

impl Create {
    fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect(settings)?;
        let new = NewCustomer::named(self.email, self.first_name, self.last_name);
        let new = NewCustomer { date_of_birth: self.date_of_birth, ..new };
        let known = [new.email.typed(), &new.first_name.text, &new.last_name.text];
        let hash = if self.password_stdin { Some(read_password(&known)?) } else { None };
        let (operator, caller) = (Operator::of_command_line(), self.by.caller());
        let outcome = in_transaction(&mut connection, |connection| {
            let id = customers::create(connection, operator, self.id, &new, hash.as_deref())?;
            support::note_operator(connection, operator, id, &caller)?;
            Ok(id)
        });
        match outcome {
            Ok(id) => {
                Event::Operator.record(Some(id), None);
                print(id)
            }
            Err(DbError::Unique(Constraint::Email)) => Err(Failure::Failed("another customer has this email".into())),
            Err(DbError::Unique(Constraint::CustomerId)) => Err(Failure::Failed("another customer has this id".into())),
            Err(error) => Err(error.into()),
        }
    }
}
