//! `clientele customer create|show|erase`

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::{Failure, connect, connect_existing, print};
use crate::customers::{self, Email, Name, NewCustomer};
use crate::db::{Constraint, DbError};
use crate::events::Event;
use crate::http::Operator;
use crate::http::{Json, Violation};
use crate::ids::CustomerId;
use crate::passwords::Password;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Customer {
    /// Create a customer and print only the id
    Create(Box<Create>),
    /// Print a customer as JSON
    Show {
        /// The customer's id
        #[arg(value_parser = parse_id)]
        id: CustomerId,
    },
    /// Erase a customer with address, sessions and password
    Erase {
        /// The customer's id
        #[arg(value_parser = parse_id)]
        id: CustomerId,
    },
    /// Add customers from JSON Lines; lines whose customer exists change nothing, so an import can be repeated
    Import(super::import::Import),
    /// Write all customers as JSON Lines
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
}

pub(super) fn parse_id(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).ok_or_else(|| "an id is a positive integer below 2^53".into())
}

fn or_message<T>(parsed: Result<T, Violation>) -> Result<T, String> {
    parsed.map_err(|violation| violation.detail().to_owned())
}

fn parse_email(text: &str) -> Result<Email, String> {
    or_message(Email::parse(text))
}

fn parse_first_name(text: &str) -> Result<Name, String> {
    or_message(Name::first(text))
}

fn parse_last_name(text: &str) -> Result<Name, String> {
    or_message(Name::last(text))
}

fn parse_date(text: &str) -> Result<NaiveDate, String> {
    or_message(customers::date_of_birth(text))
}

impl Customer {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(settings),
            Self::Show { id } => {
                let found = customers::find_by_id(&mut connect_existing(settings)?, Operator::of_command_line(), id)?;
                let found = found.ok_or_else(|| Failure::Failed(format!("there is no customer {id}")))?;
                let json = serde_json::to_string_pretty(&found.customer);
                print(json.map_err(|error| Failure::Failed(error.to_string()))?)
            }
            Self::Erase { id } => {
                if !customers::erase_by_id(&mut connect_existing(settings)?, Operator::of_command_line(), id)? {
                    return Err(Failure::Failed(format!("there is no customer {id}")));
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
        let hash = if self.password_stdin { Some(read_password(&new)?) } else { None };
        let outcome = customers::create(&mut connection, Operator::of_command_line(), self.id, &new, hash.as_deref());
        match outcome {
            Ok(id) => print(id),
            Err(DbError::Unique(Constraint::Email)) => Err(Failure::Failed("another customer has this email".into())),
            Err(DbError::Unique(Constraint::CustomerId)) => Err(Failure::Failed("another customer has this id".into())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads a password, checks it like a registration does, and hashes it.
fn read_password(new: &NewCustomer) -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let text = line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned();
    let invalid = |violation: Violation| Failure::Usage(violation.detail().to_owned());
    let password = Password::to_set(&Json::String(text.into())).map_err(invalid)?;
    password.check_strength(&[new.email.typed(), &new.first_name.text, &new.last_name.text]).map_err(invalid)?;
    password.hash().map_err(Failure::Failed)
}
