//! Which customer a command is about, and who runs it.

use clap::Args;

use super::values::{or_message, parse_email, parse_id};
use crate::cli::Failure;
use crate::customers::fields::normalise;
use crate::customers::support::find_by_email;
use crate::customers::{Email, Versioned, find_by_id};
use crate::db::DbConnection;
use crate::history::Caller;
use crate::http::{Language, Operator};
use crate::ids::CustomerId;
use crate::settings::Settings;

/// A customer's id or email.
#[derive(Clone)]
pub(in crate::cli) enum Who {
    Id(CustomerId),
    Email(Box<Email>),
}

impl Who {
    /// Parses an id or an email. Only an email contains an `@`.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return parse_email(text).map(|email| Self::Email(Box::new(email)));
        }
        parse_id(text).map(Self::Id).map_err(|reason| format!("{reason}, and an email has an @"))
    }

    /// Returns the customer's id. An id is returned even if there is no such customer: the next statement will tell.
    pub(in crate::cli) fn id(&self, connection: &mut DbConnection) -> Result<CustomerId, Failure> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Email(email) => find_by_email(connection, Operator::of_command_line(), email)?
                .ok_or_else(|| Failure::Failed("no customer has this email".into())),
        }
    }

    /// Returns the customer's id and profile.
    pub(in crate::cli) fn find(&self, connection: &mut DbConnection) -> Result<(CustomerId, Versioned), Failure> {
        let id = self.id(connection)?;
        let found = find_by_id(connection, Operator::of_command_line(), id)?;
        found.map(|versioned| (id, versioned)).ok_or_else(|| missing(id))
    }
}

/// Returns the failure for an id without a customer.
pub(in crate::cli) fn missing(id: CustomerId) -> Failure {
    Failure::Failed(format!("there is no customer {id}"))
}

/// Who runs the command.
#[derive(Args, Default)]
pub(in crate::cli) struct By {
    /// Your name, for the customer's history: 1 to 100 characters
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    by: Option<String>,
}

fn parse_name(text: &str) -> Result<String, String> {
    or_message(normalise(text, 1..=100))
}

impl By {
    /// Returns the operator as the cause of something that is not told by mail.
    pub(in crate::cli) fn caller(&self) -> Caller {
        Caller::operator(self.by.clone())
    }

    /// Returns the operator as the cause of a change. The mails about it are in English, because the command does not
    /// know the customer's language.
    pub(in crate::cli) fn caller_with_mail(&self, settings: &Settings) -> Caller {
        let caller = self.caller();
        if settings.sends_mail() { caller.with_mail(Language::En) } else { caller }
    }
}
