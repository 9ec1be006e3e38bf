//! `clientele seed`: customers for trials and load tests.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::token::access_tokens;
use super::{Failure, connect, print};
use crate::auth::Principal;
use crate::customers::{AddressMembers, CustomerId, Email, Name, NewCustomer, NewRow, insert_rows, slug_form};
use crate::settings::Settings;

/// Customers of one transaction.
const CHUNK: i64 = 1_000;
const FIRST_NAMES: [&str; 8] = ["Ada", "Blaise", "Chen", "Dorothy", "Edsger", "Frances", "Grace", "Hedy"];
const LAST_NAMES: [&str; 8] = ["Allen", "Booth", "Curie", "Dijkstra", "Euler", "Franklin", "Gauss", "Hopper"];
const CITIES: [&str; 4] = ["Lisbon", "Nairobi", "Osaka", "Montevideo"];
const COUNTRIES: [&str; 4] = ["Portugal", "Kenya", "Japan", "Uruguay"];

#[derive(Args)]
pub(super) struct Seed {
    /// How many customers; they get the ids 1 to N, and those that exist stay as they are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=100_000_000))]
    customers: i64,
    /// Write one `id<TAB>token<TAB>email<TAB>first_name<TAB>last_name` line a customer, with mode 0600
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Life time of those tokens in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    ttl: u64,
}

impl Seed {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect(settings)?;
        let mut added = 0;
        let mut first = 1;
        while first <= self.customers {
            let last = (first + CHUNK - 1).min(self.customers);
            let chunk = (first..=last).map(seeded).collect::<Result<Vec<_>, _>>()?;
            let rows: Vec<NewRow<'_>> = chunk.iter().map(row).collect();
            added += insert_rows(&mut connection, &rows)?;
            first = last + 1;
        }
        if let Some(path) = &self.tokens {
            self.write_tokens(settings, path)?;
        }
        print(format_args!("{added} customers added, {} were there", self.customers - added as i64))
    }

    fn write_tokens(&self, settings: &Settings, path: &PathBuf) -> Result<(), Failure> {
        let tokens = access_tokens(settings)?;
        let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", path.display()));
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let mut file = BufWriter::new(options.map_err(failed)?);
        for number in 1..=self.customers {
            let (id, new) = seeded(number)?;
            let token = tokens
                .issue(Principal { customer: id, session: None }, Duration::from_secs(self.ttl))
                .map_err(|error| Failure::Failed(error.to_string()))?;
            let (email, first, last) = (new.email.typed(), &new.first_name.text, &new.last_name.text);
            writeln!(file, "{id}\t{token}\t{email}\t{first}\t{last}").map_err(failed)?;
        }
        file.flush().map_err(failed)
    }
}

fn row((id, new): &(CustomerId, NewCustomer)) -> NewRow<'_> {
    NewRow { id: *id, new, slug: slug_form(&new.first_name.slug, &new.last_name.slug), password_hash: None }
}

/// Customer `number`: always the same one, so that seeding again changes nothing.
fn seeded(number: i64) -> Result<(CustomerId, NewCustomer), Failure> {
    let refused = |_| Failure::Failed(format!("customer {number} cannot be made"));
    let pick = |list: &'static [&'static str], step: i64| {
        usize::try_from(number / step).map_or("", |index| list[index % list.len()])
    };
    let id = CustomerId::new(number).ok_or_else(|| Failure::Failed("the id is out of range".into()))?;
    let address = AddressMembers {
        street_address: Some(format!("{number} Oak Avenue")),
        postal_code: None,
        city: Some(pick(&CITIES, 1).to_owned()),
        state: None,
        country: Some(pick(&COUNTRIES, 1).to_owned()),
    };
    let new = NewCustomer {
        email: Email::parse(&format!("customer{number}@example.com")).map_err(refused)?,
        first_name: Name::first(pick(&FIRST_NAMES, 1)).map_err(refused)?,
        last_name: Name::last(&format!("{} {number}", pick(&LAST_NAMES, 8))).map_err(refused)?,
        date_of_birth: None,
        address: Some(address),
    };
    Ok((id, new))
}
