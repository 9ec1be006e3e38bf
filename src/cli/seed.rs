//! `clientele seed`: creates customers for trials and load tests.

use std::collections::HashSet;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::token::access_tokens;
use super::{Failure, connect, print};
use crate::customers::{
    AddressMembers, Customer, Email, Name, NewCustomer, NewRow, find_many, insert_at, insert_rows, slug_form,
};
use crate::db::{Constraint, DbConnection, DbError};
use crate::http::Operator;
use crate::ids::CustomerId;
use crate::private_file::PrivateFile;
use crate::settings::Settings;
use crate::tokens::AccessTokens;
use crate::tokens::Principal;

/// The number of customers in one transaction.
const CHUNK: usize = 1_000;
const FIRST_NAMES: [&str; 8] = ["Ada", "Blaise", "Chen", "Dorothy", "Edsger", "Frances", "Grace", "Hedy"];
const LAST_NAMES: [&str; 8] = ["Allen", "Booth", "Curie", "Dijkstra", "Euler", "Franklin", "Gauss", "Hopper"];
const CITIES: [&str; 4] = ["Lisbon", "Nairobi", "Osaka", "Montevideo"];
const COUNTRIES: [&str; 4] = ["Portugal", "Kenya", "Japan", "Uruguay"];

#[derive(Args)]
pub(super) struct Seed {
    /// The number of customers; they get the ids 1 to N, and existing ones do not change
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=100_000_000))]
    customers: i64,
    /// Write a file with mode 0600 and one line per customer: `id<TAB>token<TAB>email<TAB>first_name<TAB>last_name`
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Lifetime of the tokens in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    ttl: u64,
}

impl Seed {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let mut connection = connect(settings)?;
        let mut tokens = self.tokens.as_deref().map(|path| TokenFile::create(settings, path, self.ttl)).transpose()?;
        let mut added = 0;
        for first in (1..=self.customers).step_by(CHUNK) {
            let last = (first + CHUNK as i64 - 1).min(self.customers);
            let (new, present) = seed_chunk(&mut connection, first..=last)?;
            added += new;
            if let Some(file) = &mut tokens {
                present.iter().try_for_each(|(id, customer)| file.write(*id, customer))?;
            }
        }
        if let Some(file) = tokens {
            file.file.finish()?;
        }
        print(format_args!("{added} customers added, {} were there", self.customers - added))
    }
}

/// Adds the missing customers of a chunk. Returns how many it added, and all customers of the chunk.
fn seed_chunk(
    connection: &mut DbConnection,
    numbers: RangeInclusive<i64>,
) -> Result<(i64, Vec<(CustomerId, Customer)>), Failure> {
    let chunk = numbers.map(seeded).collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<NewRow<'_>> = chunk.iter().map(row).collect();
    let operator = Operator::of_command_line();
    let mut added = insert_rows(connection, operator, &rows)?.len();
    let ids = || chunk.iter().map(|(id, _)| *id);
    let mut present = find_many(connection, operator, ids())?;
    if present.len() < chunk.len() {
        // Another customer has the slug or the email, so these customers get different ones.
        let existing: HashSet<CustomerId> = present.iter().map(|(id, _)| *id).collect();
        for (id, new) in chunk.iter().filter(|(id, _)| !existing.contains(id)) {
            add_with_other_values(connection, operator, *id, new)?;
            added += 1;
        }
        present = find_many(connection, operator, ids())?;
    }
    Ok((added as i64, present))
}

fn add_with_other_values(
    connection: &mut DbConnection,
    operator: Operator,
    id: CustomerId,
    new: &NewCustomer,
) -> Result<(), Failure> {
    match insert_at(connection, operator, id, new) {
        Err(DbError::Unique(Constraint::Email)) => {
            let other = format!("customer{id}-{:08x}@example.com", rand::random::<u32>());
            let email = Email::parse(&other).map_err(|violation| Failure::Failed(violation.detail().to_owned()))?;
            insert_at(connection, operator, id, &NewCustomer { email, ..new.clone() })?;
            Ok(())
        }
        other => Ok(other.map(|_| ())?),
    }
}

/// The file of tokens, with the stored customer on each line.
struct TokenFile {
    file: PrivateFile,
    tokens: AccessTokens,
    lifetime: Duration,
}

impl TokenFile {
    fn create(settings: &Settings, path: &Path, ttl: u64) -> Result<Self, Failure> {
        let tokens = access_tokens(settings)?;
        Ok(Self { file: PrivateFile::replacing(path)?, tokens, lifetime: Duration::from_secs(ttl) })
    }

    fn write(&mut self, id: CustomerId, customer: &Customer) -> Result<(), Failure> {
        let principal = Principal { customer: id, session: None };
        let token = self.tokens.issue(principal, self.lifetime).map_err(|error| Failure::Failed(error.to_string()))?;
        let Customer { email, first_name, last_name, .. } = customer;
        Ok(writeln!(self.file, "{id}\t{token}\t{email}\t{first_name}\t{last_name}")?)
    }
}

fn row((id, new): &(CustomerId, NewCustomer)) -> NewRow<'_> {
    NewRow { id: *id, new, slug: slug_form(&new.first_name.slug, &new.last_name.slug), password_hash: None }
}

/// Returns customer `number`. It is always the same, so seeding again changes nothing.
fn seeded(number: i64) -> Result<(CustomerId, NewCustomer), Failure> {
    let invalid = |_| Failure::Failed(format!("customer {number} cannot be created"));
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
    let new = NewCustomer::named(
        Email::parse(&format!("customer{number}@example.com")).map_err(invalid)?,
        Name::first(pick(&FIRST_NAMES, 1)).map_err(invalid)?,
        Name::last(&format!("{} {number}", pick(&LAST_NAMES, 8))).map_err(invalid)?,
    );
    let new = NewCustomer { address: Some(address), ..new };
    Ok((id, new))
}
