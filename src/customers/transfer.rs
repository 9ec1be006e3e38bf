//! Import and export, in chunks, so that a million customers need the memory of a thousand.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use diesel::prelude::*;
use serde::Serialize;

use super::change::{Change, member, whole_address};
use super::model::{Customer, CustomerId, ID_LIMIT};
use super::queries::{NewCustomer, NewRow, create, insert_rows};
use super::read::find_many;
use super::slug;
use crate::body::{Body, FieldCode, FieldErrors, Json, Members, NotMembers, Refusal};
use crate::db::{Constraint, DbConnection, DbError, DbResult};
use crate::schema::{customers, passwords};
use crate::sessions::is_importable;

/// Customers of one statement.
pub const CHUNK: usize = 1_000;

/// One line of an import: a customer as a registration or an export writes it.
pub struct ImportLine {
    id: Option<CustomerId>,
    customer: NewCustomer,
    /// Kept where it is one that this name can have.
    slug: Option<String>,
    password_hash: Option<String>,
}

impl Body for ImportLine {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let mut change = Change::default();
        let (mut id, mut slug, mut password_hash) = (None, None, None);
        for (name, value) in members.iter() {
            match name {
                "id" => id = errors.keep("#/id", read_id(&value)),
                "slug" => slug = value.text().ok().map(ToOwned::to_owned),
                "password_hash" if matches!(value, Json::Null) => {}
                "password_hash" => password_hash = errors.keep("#/password_hash", read_hash(&value)),
                _ => member(&mut change, name, &value, errors, whole_address)?,
            }
        }
        members.require("#", &["email", "first_name", "last_name"], errors);
        Ok(change.into_new_customer().map(|customer| Self { id, customer, slug, password_hash }))
    }
}

fn read_id(value: &Json<'_>) -> Result<CustomerId, Refusal> {
    let id = match value {
        Json::Number(digits) => CustomerId::parse(digits),
        _ => None,
    };
    id.ok_or_else(|| Refusal::out_of_range("An id is a positive integer below 2^53.", 1, ID_LIMIT - 1))
}

fn read_hash(value: &Json<'_>) -> Result<String, Refusal> {
    let text = value.text()?;
    if is_importable(text) {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(FieldCode::Format, "Use a hash in Argon2's PHC format or Django's pbkdf2_sha256$… form."))
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was, or in a dry run would be, added.
    Added,
    /// The customer is there already, as a line that ran before leaves it.
    Present,
    /// Another customer has the id.
    IdTaken,
    /// A customer with another id has the email.
    EmailTaken,
}

/// What a dry run has seen, in a few bytes a line: it adds nothing that a later line could be compared with.
#[derive(Default)]
pub struct Seen {
    hasher: RandomState,
    ids: HashSet<i64>,
    emails: HashMap<u64, i64>,
}

impl Seen {
    fn add(&mut self, id: CustomerId, email: &str) {
        self.ids.insert(id.get());
        self.emails.insert(self.hasher.hash_one(email), id.get());
    }

    fn holder(&self, email: &str) -> Option<i64> {
        self.emails.get(&self.hasher.hash_one(email)).copied()
    }
}

/// Adds what a chunk of lines describes, in one transaction; one fate a line, in order. With `seen` it is a dry run:
/// nothing is added.
///
/// # Errors
/// See [`DbError`]; then nothing of the chunk was added.
pub fn import(connection: &mut DbConnection, lines: &[ImportLine], mut seen: Option<&mut Seen>) -> DbResult<Vec<Fate>> {
    let ids: Vec<i64> = lines.iter().filter_map(|line| line.id.map(CustomerId::get)).collect();
    let emails: Vec<&str> = lines.iter().map(|line| line.customer.email.canonical()).collect();
    let stored: Vec<(i64, String)> = customers::table
        .filter(customers::id.eq_any(ids).or(customers::email_canonical.eq_any(emails)))
        .select((customers::id, customers::email_canonical))
        .load(connection)?;
    let mut taken_ids: HashSet<i64> = stored.iter().map(|(id, _)| *id).collect();
    let mut by_email: HashMap<String, i64> = stored.into_iter().map(|(id, email)| (email, id)).collect();
    let mut slugs = taken_slugs(connection, lines)?;
    let mut fates = Vec::with_capacity(lines.len());
    let mut rows = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let email = line.customer.email.canonical();
        let holder = by_email.get(email).copied().or_else(|| seen.as_ref().and_then(|seen| seen.holder(email)));
        let is_taken = |id: CustomerId| {
            taken_ids.contains(&id.get()) || seen.as_ref().is_some_and(|seen| seen.ids.contains(&id.get()))
        };
        let fate = fate(line, line.id.is_some_and(is_taken), holder);
        if fate == Fate::Added {
            let id = line.id.unwrap_or_else(|| unused_id(&taken_ids));
            taken_ids.insert(id.get());
            by_email.insert(email.to_owned(), id.get());
            if let Some(seen) = seen.as_mut() {
                seen.add(id, email);
            }
            let slug = line.choose_slug(&mut slugs);
            rows.push((place, NewRow { id, new: &line.customer, slug, password_hash: line.password_hash.as_deref() }));
        }
        fates.push(fate);
    }
    if seen.is_none() {
        add(connection, rows, &mut fates)?;
    }
    Ok(fates)
}

/// Adds the rows; those that a slug drawn twice or another process got in the way of are added one by one.
fn add(connection: &mut DbConnection, rows: Vec<(usize, NewRow<'_>)>, fates: &mut [Fate]) -> DbResult<()> {
    let (places, rows): (Vec<usize>, Vec<NewRow<'_>>) = rows.into_iter().unzip();
    let added = insert_rows(connection, &rows)?;
    for (place, row) in places.into_iter().zip(rows).filter(|(_, row)| !added.contains(&row.id.get())) {
        let fate = match create(connection, Some(row.id), row.new, row.password_hash) {
            Ok(_) => Fate::Added,
            Err(DbError::Unique(Constraint::Email)) => Fate::EmailTaken,
            Err(DbError::Unique(Constraint::CustomerId)) => Fate::IdTaken,
            Err(error) => return Err(error),
        };
        if let Some(known) = fates.get_mut(place) {
            *known = fate;
        }
    }
    Ok(())
}

fn fate(line: &ImportLine, id_is_taken: bool, id_of_email: Option<i64>) -> Fate {
    match (line.id, id_is_taken, id_of_email) {
        (_, false, None) => Fate::Added,
        (None, _, Some(_)) => Fate::Present,
        (Some(id), _, Some(holder)) if holder == id.get() => Fate::Present,
        (Some(_), true, _) => Fate::IdTaken,
        _ => Fate::EmailTaken,
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

/// Those of the slugs that the lines may want which are taken.
fn taken_slugs(connection: &mut DbConnection, lines: &[ImportLine]) -> DbResult<HashSet<String>> {
    let wanted: Vec<String> =
        lines.iter().flat_map(|line| line.slug.clone().into_iter().chain([line.form()])).collect();
    let taken = customers::table.filter(customers::slug.eq_any(wanted)).select(customers::slug).load(connection)?;
    Ok(taken.into_iter().collect())
}

impl ImportLine {
    fn form(&self) -> String {
        slug::form(&self.customer.first_name.slug, &self.customer.last_name.slug)
    }

    /// The slug of the line, if it is one of this name and free; else the plain one, else one with a suffix.
    fn choose_slug(&self, taken: &mut HashSet<String>) -> String {
        let form = self.form();
        let own = self.slug.as_deref().filter(|own| slug::is_of_form(own, &form)).map(ToOwned::to_owned);
        let candidates = own.into_iter().chain([form.clone()]);
        let drawn = std::iter::repeat_with(|| slug::suffixed(&form, &slug::random_suffix()));
        let mut free = candidates.chain(drawn).filter(|slug| !taken.contains(slug));
        let slug = free.next().unwrap_or_default();
        taken.insert(slug.clone());
        slug
    }
}

/// One line of an export; an import reads it back.
#[derive(Serialize)]
pub struct ExportLine {
    id: i64,
    #[serde(flatten)]
    customer: Customer,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
}

/// The next chunk of customers after an id, in the order of ids; empty at the end.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn export(connection: &mut DbConnection, after: i64, with_passwords: bool) -> DbResult<Vec<ExportLine>> {
    let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let ids: Vec<i64> = customers::table
        .filter(customers::id.gt(after))
        .order(customers::id)
        .limit(limit)
        .select(customers::id)
        .load(connection)?;
    let mut hashes: HashMap<i64, String> = HashMap::new();
    if with_passwords {
        let rows = passwords::table
            .filter(passwords::customer_id.eq_any(&ids))
            .select((passwords::customer_id, passwords::hash))
            .load::<(i64, String)>(connection)?;
        hashes.extend(rows);
    }
    let found = find_many(connection, ids.iter().filter_map(|id| CustomerId::new(*id)))?;
    let line = |(id, customer): (CustomerId, Customer)| ExportLine {
        id: id.get(),
        customer,
        password_hash: hashes.remove(&id.get()),
    };
    Ok(found.into_iter().map(line).collect())
}

impl ExportLine {
    /// The id to go on after.
    pub fn id(&self) -> i64 {
        self.id
    }
}
