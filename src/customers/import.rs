//! Adds the customers of another system, or of an export, in chunks, so memory does not grow with their number.

mod line;
mod time;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};

use diesel::prelude::*;

pub use self::line::ImportLine;
use super::change::NewCustomer;
use super::fields::slug;
use super::queries::{NewRow, insert_rows};
use crate::db::{DbConnection, DbError, DbResult};
use crate::http::Operator;
use crate::ids::CustomerId;
use crate::schema::customers;

/// The number of lines in one chunk.
pub const CHUNK: usize = 1_000;

/// The outcome of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// The customer was added, or would be in a dry run, without these members.
    Added(Vec<&'static str>),
    /// The customer exists already, as after an earlier import of the line.
    Present,
    /// Another customer has the id.
    IdTaken,
    /// Another customer has the email.
    EmailTaken,
}

/// The customer who has an email.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Holder {
    id: i64,
    names: u64,
}

impl Holder {
    fn new(id: i64, first_name: &str, last_name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (first_name, last_name).hash(&mut hasher);
        Self { id, names: hasher.finish() }
    }

    fn of(id: i64, customer: &NewCustomer) -> Self {
        Self::new(id, &customer.first_name.text, &customer.last_name.text)
    }
}

/// The ids and emails of earlier lines of a dry run, in a few bytes per line. Later lines are compared with them,
/// because a dry run adds nothing to the database.
#[derive(Default)]
pub struct ImportedSoFar {
    hasher: RandomState,
    ids: HashSet<i64>,
    emails: HashMap<u64, Holder>,
}

impl ImportedSoFar {
    fn add(&mut self, holder: Holder, email: &str) {
        self.ids.insert(holder.id);
        self.emails.insert(self.hasher.hash_one(email), holder);
    }

    fn holder(&self, email: &str) -> Option<Holder> {
        self.emails.get(&self.hasher.hash_one(email)).copied()
    }
}

/// How often a line is tried whose customer collides with one that another process adds.
const ATTEMPTS: u32 = 8;

/// Adds the customers of a chunk of lines and returns one outcome per line, in order. With `earlier`, this is a dry run
/// and adds nothing.
///
/// # Errors
/// See [`DbError`].
pub fn import(
    connection: &mut DbConnection,
    operator: Operator,
    lines: &[ImportLine],
    earlier: Option<&mut ImportedSoFar>,
) -> DbResult<Vec<ImportOutcome>> {
    let all: Vec<&ImportLine> = lines.iter().collect();
    let (mut outcomes, mut skipped) = import_once(connection, operator, &all, earlier)?;
    for _ in 0..ATTEMPTS {
        if skipped.is_empty() {
            return Ok(outcomes);
        }
        // The database is no longer what it was, so these lines are decided anew.
        let again: Vec<&ImportLine> = skipped.iter().filter_map(|index| lines.get(*index)).collect();
        let (decided, still_skipped) = import_once(connection, operator, &again, None)?;
        for (index, outcome) in skipped.iter().zip(decided) {
            if let Some(place) = outcomes.get_mut(*index) {
                *place = outcome;
            }
        }
        skipped = still_skipped.into_iter().filter_map(|index| skipped.get(index).copied()).collect();
    }
    Err(DbError::Internal("a line collides with another process again and again".into()))
}

/// Makes one attempt at [`import`]. Also returns the indices of the lines that were not added, although their outcome
/// says so: an id, an email or a slug was taken meanwhile.
fn import_once(
    connection: &mut DbConnection,
    operator: Operator,
    lines: &[&ImportLine],
    mut earlier: Option<&mut ImportedSoFar>,
) -> DbResult<(Vec<ImportOutcome>, Vec<usize>)> {
    let ids: Vec<i64> = lines.iter().filter_map(|line| line.id.map(CustomerId::get)).collect();
    let emails: Vec<&str> = lines.iter().map(|line| line.customer.email.canonical()).collect();
    let stored: Vec<(i64, String, String, String)> = customers::table
        .filter(customers::id.eq_any(ids).or(customers::email_canonical.eq_any(emails)))
        .select((customers::id, customers::email_canonical, customers::first_name, customers::last_name))
        .load(connection)?;
    let mut taken_ids: HashSet<i64> = stored.iter().map(|(id, ..)| *id).collect();
    let holder = |(id, email, first, last): (i64, String, String, String)| (email, Holder::new(id, &first, &last));
    let mut by_email: HashMap<String, Holder> = stored.into_iter().map(holder).collect();
    let mut slugs = taken_slugs(connection, lines)?;
    let mut outcomes = Vec::with_capacity(lines.len());
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let email = line.customer.email.canonical();
        let holder =
            by_email.get(email).copied().or_else(|| earlier.as_ref().and_then(|earlier| earlier.holder(email)));
        let is_taken = |id: CustomerId| {
            taken_ids.contains(&id.get()) || earlier.as_ref().is_some_and(|earlier| earlier.ids.contains(&id.get()))
        };
        let mut outcome = outcome(line, line.id.is_some_and(is_taken), holder);
        if let ImportOutcome::Added(ignored) = &mut outcome {
            let id = line.id.unwrap_or_else(|| unused_id(&taken_ids));
            let holder = Holder::of(id.get(), &line.customer);
            taken_ids.insert(id.get());
            by_email.insert(email.to_owned(), holder);
            if let Some(earlier) = earlier.as_mut() {
                earlier.add(holder, email);
            }
            let slug = line.choose_slug(&mut slugs);
            ignored.extend(line.slug.as_ref().is_some_and(|own| *own != slug).then_some("slug"));
            rows.push((index, NewRow { id, new: &line.customer, slug, password_hash: line.password_hash.as_deref() }));
        }
        outcomes.push(outcome);
    }
    let (indices, rows): (Vec<usize>, Vec<NewRow<'_>>) = rows.into_iter().unzip();
    if earlier.is_some() {
        return Ok((outcomes, Vec::new()));
    }
    let added = insert_rows(connection, operator, &rows)?;
    let skipped = indices.into_iter().zip(rows).filter(|(_, row)| !added.contains(&row.id.get()));
    Ok((outcomes, skipped.map(|(index, _)| index).collect()))
}

/// Decides a line's outcome. A line without an id means the customer with the same email, if the names are equal too.
fn outcome(line: &ImportLine, id_is_taken: bool, holder: Option<Holder>) -> ImportOutcome {
    match (line.id, id_is_taken, holder) {
        (_, false, None) => ImportOutcome::Added(line.ignored.clone()),
        (None, _, Some(holder)) if holder == Holder::of(holder.id, &line.customer) => ImportOutcome::Present,
        (Some(id), _, Some(holder)) if holder.id == id.get() => ImportOutcome::Present,
        (Some(_), true, _) => ImportOutcome::IdTaken,
        _ => ImportOutcome::EmailTaken,
    }
}

fn unused_id(taken: &HashSet<i64>) -> CustomerId {
    loop {
        let id = CustomerId::generate();
        if !taken.contains(&id.get()) {
            return id;
        }
    }
}

/// Returns the taken slugs among those that the lines may use.
fn taken_slugs(connection: &mut DbConnection, lines: &[&ImportLine]) -> DbResult<HashSet<String>> {
    let candidates: Vec<String> =
        lines.iter().flat_map(|line| line.slug.clone().into_iter().chain([line.form()])).collect();
    let taken = customers::table.filter(customers::slug.eq_any(candidates)).select(customers::slug).load(connection)?;
    Ok(taken.into_iter().collect())
}

impl ImportLine {
    fn form(&self) -> String {
        slug::form(&self.customer.first_name.slug, &self.customer.last_name.slug)
    }

    /// Chooses the slug of the line if it fits the name and is free, else the plain slug, else one with a suffix.
    fn choose_slug(&self, taken: &mut HashSet<String>) -> String {
        let form = self.form();
        let own = self.slug.as_deref().filter(|own| slug::is_of_form(own, &form)).map(ToOwned::to_owned);
        let candidates = own.into_iter().chain([form.clone()]);
        let random = std::iter::repeat_with(|| slug::suffixed(&form, &slug::random_suffix()));
        let mut free = candidates.chain(random).filter(|slug| !taken.contains(slug));
        let slug = free.next().unwrap_or_default();
        taken.insert(slug.clone());
        slug
    }
}
