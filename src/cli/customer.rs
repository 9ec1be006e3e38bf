//! `clientele customer …`: what support does.

mod account;
mod find;
mod history;
mod table;
mod update;
pub(super) mod who;

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use self::account::{Account, SetPassword};
use self::who::{By, Who};
use super::{Failure, connect, connect_existing, print};
use crate::customers::{self, Email, Name, NewCustomer, support};
use crate::db::{Constraint, DbError, in_transaction};
use crate::events::Event;
use crate::http::Operator;
use crate::http::{Json, Violation};
use crate::ids::CustomerId;
use crate::passwords::Password;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Customer {
    /// Create a customer and print the id, and nothing else
    Create(Box<Create>),
    /// Find customers by any part of an email, a name or a slug
    Find(find::Find),
    /// Print a customer as JSON
    Show {
        /// The customer's id or email
        #[arg(value_parser = Who::parse)]
        who: Who,
    },
    /// Change email, names or date of birth, and print the customer as JSON
    Update(Box<update::Update>),
    /// Set a password; all sessions end
    SetPassword(SetPassword),
    /// Disable an account: its sessions end, and nobody can use it
    Disable(Account),
    /// Enable an account that was disabled
    Enable(Account),
    /// End all sessions
    EndSessions(Account),
    /// Print what happened to an account, the newest first
    History(history::History),
    /// Erase a customer with address, sessions, password and history
    Erase {
        /// The customer's id or email
        #[arg(value_parser = Who::parse)]
        who: Who,
    },
    /// Add customers from JSON Lines; a line whose customer is there already changes nothing, so it can be run again
    Import(super::import::Import),
    /// Write all customers as JSON Lines, or everything that is held about one as a JSON document
    Export(super::export::Export),
}

#[derive(Args)]
pub(super) struct Create {
    /// Must not be another customer's
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

pub(super) fn parse_id(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).ok_or_else(|| "an id is a positive integer below 2^53".into())
}

fn told<T>(parsed: Result<T, Violation>) -> Result<T, String> {
    parsed.map_err(|refusal| refusal.detail().to_owned())
}

fn parse_email(text: &str) -> Result<Email, String> {
    told(Email::parse(text))
}

fn parse_first_name(text: &str) -> Result<Name, String> {
    told(Name::first(text))
}

fn parse_last_name(text: &str) -> Result<Name, String> {
    told(Name::last(text))
}

fn parse_date(text: &str) -> Result<NaiveDate, String> {
    told(customers::date_of_birth(text))
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
            Self::Erase { who } => {
                let mut connection = connect_existing(settings)?;
                let id = who.id(&mut connection)?;
                if !customers::erase_by_id(&mut connection, Operator::of_command_line(), id)? {
                    return Err(who::missing(id));
                }
                Event::Erasure.record(Some(id), None);
                Ok(())
            }
            Self::Import(command) => command.run(settings),
            Self::Export(command) => command.run(settings),
        }
    }
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

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?)
}

/// The hash of a password that is judged as a registration would, with what is known of the customer.
fn read_password(known: &[&str]) -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let text = line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned();
    let refused = |refusal: Violation| Failure::Usage(refusal.detail().to_owned());
    let password = Password::to_set(&Json::String(text.into())).map_err(refused)?;
    password.check_strength(known).map_err(refused)?;
    password.hash().map_err(Failure::Failed)
}
