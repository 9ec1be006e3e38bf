//! `clientele outbox list|retry`

use clap::Subcommand;

use super::customer::print_json;
use super::customer::table::print_table;
use super::{Failure, connect_existing, print};
use crate::http::Operator;
use crate::ids::EntryId;
use crate::outbox::operator::{self, Listed, Retried};
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Outbox {
    /// Print mails that wait to be delivered and those whose delivery has failed, the oldest first
    List {
        /// The most mails to print
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Deliver mails that wait to be tried again at once
    Retry {
        /// The id of one mail, as `list` prints it
        #[arg(value_parser = parse_entry, required_unless_present = "all")]
        id: Option<EntryId>,
        /// All of them
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

fn parse_entry(text: &str) -> Result<EntryId, String> {
    EntryId::parse(text).ok_or_else(|| "this is not the id of a mail".into())
}

impl Outbox {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect_existing(settings)?;
        let operator = Operator::of_command_line();
        match self {
            Self::List { limit, json } => {
                let rows = operator::list(&mut connection, operator, limit)?;
                if json {
                    return print_json(&rows);
                }
                let head = ["ID", "CUSTOMER", "KIND", "AGE", "ATTEMPTS", "NEXT ATTEMPT", "ERROR"];
                print_table(head, &rows.into_iter().map(row).collect::<Vec<_>>())
            }
            Self::Retry { id, .. } => match operator::retry(&mut connection, operator, id)? {
                Retried::Due(1) => print("1 mail is due now"),
                Retried::Due(count) => print(format_args!("{count} mails are due now")),
                Retried::Failed => Err(Failure::Failed(
                    "its delivery has failed and its content is gone, so it cannot be tried again".into(),
                )),
                Retried::Underway => Err(Failure::Failed("it is being delivered, or about to be".into())),
                Retried::Missing => Err(Failure::Failed("there is no such mail".into())),
            },
        }
    }
}

fn row(listed: Listed) -> [String; 7] {
    let customer = listed.customer.map(|id| id.to_string()).unwrap_or_default();
    let next = listed.next_attempt.unwrap_or_else(|| "failed".into());
    let [kind, error] = [listed.kind, listed.error].map(Option::unwrap_or_default);
    [listed.id, customer, kind, age(listed.age_seconds), listed.attempts.to_string(), next, error]
}

fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
