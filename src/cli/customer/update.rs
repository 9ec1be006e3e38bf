//! `clientele customer update`

use chrono::NaiveDate;
use clap::Args;

use super::values::{parse_date, parse_email, parse_first_name, parse_last_name, print_json};
use super::who::{By, Who};
use crate::cli::{Failure, connect_existing};
use crate::customers::{Change, Email, Name, support};
use crate::events::Event;
use crate::http::{Denied, Operator};
use crate::settings::Settings;

#[derive(Args)]
#[command(group(clap::ArgGroup::new("changes").required(true).multiple(true)))]
pub(crate) struct Update {
    /// The customer's id or email
    #[arg(value_parser = Who::parse)]
    who: Who,
    /// Must not belong to another customer
    #[arg(long, group = "changes", value_parser = parse_email)]
    email: Option<Email>,
    /// 1 to 150 characters
    #[arg(long, group = "changes", value_parser = parse_first_name)]
    first_name: Option<Name>,
    /// 0 to 150 characters
    #[arg(long, group = "changes", value_parser = parse_last_name)]
    last_name: Option<Name>,
    /// YYYY-MM-DD, or an empty text to clear it
    #[arg(long, group = "changes", value_parser = parse_optional_date)]
    date_of_birth: Option<Date>,
    #[command(flatten)]
    by: By,
}

/// A day or none. It has its own type because clap treats nested `Option`s specially.
#[derive(Clone, Copy)]
struct Date(Option<NaiveDate>);

fn parse_optional_date(text: &str) -> Result<Date, String> {
    if text.is_empty() { Ok(Date(None)) } else { parse_date(text).map(|date| Date(Some(date))) }
}

impl Update {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect_existing(settings)?;
        let (id, before) = self.who.find(&mut connection)?;
        let change = Change {
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
            date_of_birth: self.date_of_birth.map(|Date(date)| date),
            ..Change::default()
        };
        let changed = support::change(
            &mut connection,
            Operator::of_command_line(),
            id,
            &change,
            &self.by.caller_with_mail(settings),
        )?;
        let changed = changed.map_err(|denied| match denied {
            Denied::EmailTaken => Failure::Failed("another customer has this email".into()),
            _ => super::who::missing(id),
        })?;
        if changed.customer.email != before.customer.email {
            Event::EmailChange.record(Some(id), None);
        }
        Event::Operator.record(Some(id), None);
        print_json(&changed.customer)
    }
}
