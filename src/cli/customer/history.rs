//! `clientele customer history`

use clap::Args;
use serde::Serialize;

use super::table::print_table;
use super::values::print_json;
use super::who::{Who, missing};
use crate::cli::{Failure, connect_existing};
use crate::customers::support::history_of;
use crate::history::{Entry, HistoryEntry};
use crate::http::Operator;
use crate::ids::EntryId;
use crate::settings::Settings;

#[derive(Args)]
pub(crate) struct History {
    /// The customer's id or email
    #[arg(value_parser = Who::parse)]
    who: Who,
    /// The most entries to print
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
    /// Print only entries older than this one, the last one of the previous page
    #[arg(long, value_name = "ID", value_parser = parse_entry)]
    before: Option<EntryId>,
    /// Print JSON, with the members of the API and `actor`, who ran the command
    #[arg(long)]
    json: bool,
}

fn parse_entry(text: &str) -> Result<EntryId, String> {
    EntryId::parse(text).ok_or_else(|| "this is not the id of an entry".into())
}

/// An entry for the operator.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    entry: HistoryEntry,
    actor: Option<String>,
}

impl History {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect_existing(settings)?;
        let id = self.who.id(&mut connection)?;
        let entries = history_of(&mut connection, Operator::of_command_line(), id, self.limit, self.before)?;
        let entries = entries.ok_or_else(|| missing(id))?;
        if self.json {
            let shown = |entry: Entry| Shown { actor: entry.actor.clone(), entry: entry.into() };
            return print_json(&entries.into_iter().map(shown).collect::<Vec<_>>());
        }
        let head = ["ID", "AT", "KIND", "SESSION", "NETWORK", "BY", "USER AGENT"];
        print_table(head, &entries.into_iter().map(row).collect::<Vec<_>>())
    }
}

fn row(entry: Entry) -> [String; 7] {
    let session = entry.session_id.map(|id| id.to_string()).unwrap_or_default();
    let [network, actor, user_agent] = [entry.network, entry.actor, entry.user_agent].map(Option::unwrap_or_default);
    [entry.id.to_string(), entry.at.to_rfc3339(), entry.kind, session, network, actor, user_agent]
}
