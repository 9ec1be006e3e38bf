//! `clientele customer find`

use clap::Args;
use serde_json::json;

use super::table::print_table;
use super::values::print_json;
use crate::cli::{Failure, connect_existing, print};
use crate::customers::support::{Found, find_like};
use crate::http::Operator;
use crate::settings::Settings;

#[derive(Args)]
pub(crate) struct Find {
    /// A part of the email, name or slug
    #[arg(value_parser = parse_text)]
    text: String,
    /// The most customers to print
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
    /// Print only customers with a higher id than this, the last one of the previous page
    #[arg(long, value_name = "ID", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
    /// Print JSON: `{"customers": […], "next": ID}`, where `next` is null on the last page
    #[arg(long)]
    json: bool,
}

fn parse_text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("give a part of an email, name or slug".into()) } else { Ok(text.to_owned()) }
}

impl Find {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect_existing(settings)?;
        let operator = Operator::of_command_line();
        let mut found = find_like(&mut connection, operator, &self.text, self.after, self.limit + 1)?;
        // One more than the limit shows that there is a next page.
        let next = usize::try_from(self.limit).ok().filter(|limit| found.len() > *limit).and_then(|limit| {
            found.truncate(limit);
            found.last().map(|last| last.id)
        });
        if self.json {
            return print_json(&json!({"customers": found, "next": next}));
        }
        print_table(["ID", "EMAIL", "NAME", "SLUG", "SINCE", "STATE"], &found.iter().map(row).collect::<Vec<_>>())?;
        next.map_or(Ok(()), |next| print(format_args!("There are more: --after {next}")))
    }
}

fn row(found: &Found) -> [String; 6] {
    let Found { id, email, first_name, last_name, slug, created_at, disabled_at } = found;
    let name = format!("{first_name} {last_name}").trim_end().to_owned();
    let day = |moment: &str| moment.chars().take(10).collect::<String>();
    let state = disabled_at.as_deref().map(|at| format!("disabled {}", day(at))).unwrap_or_default();
    [id.to_string(), email.clone(), name, slug.clone(), day(created_at), state]
}
