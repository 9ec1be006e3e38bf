//! Import and export. They work in chunks, so memory does not grow with the number of customers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use chrono::{DateTime, SecondsFormat};
use diesel::prelude::*;
use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, Schema};

use super::change::{Change, NewCustomer, new_profile};
use super::fields::slug;
use super::model::Customer;
use super::queries::{NewRow, create, insert_rows};
use super::read::find_many;
use crate::db::{Constraint, DbConnection, DbError, DbResult, UtcMicros};
use crate::http::{Body, FieldCode, FieldErrors, Json, Member, Operator, Rule, Violation};
use crate::ids::{CustomerId, ID_LIMIT};
use crate::passwords::is_importable;
use crate::schema::{customers, passwords};

/// The number of customers in one chunk.
pub const CHUNK: usize = 1_000;

/// One line of an import: a customer in the form of a registration or of an export line.
pub struct ImportLine {
    id: Option<CustomerId>,
    customer: NewCustomer,
    /// Used if it fits the name and is free.
    slug: Option<String>,
    password_hash: Option<String>,
    /// Members that are not imported.
    ignored: Vec<&'static str>,
}

/// The valid members of a line.
#[derive(Default)]
pub struct ImportDraft {
    change: Change,
    id: Option<CustomerId>,
    slug: Option<String>,
    created_at: Option<UtcMicros>,
    password_hash: Option<String>,
    ignored: Vec<&'static str>,
}

impl AsMut<Change> for ImportDraft {
    fn as_mut(&mut self) -> &mut Change {
        &mut self.change
    }
}

static ID: Rule<CustomerId> = Rule { parse: read_id, schema: any_schema };
static PASSWORD_HASH: Rule<String> = Rule { parse: read_hash, schema: any_schema };

/// Import lines are not part of the OpenAPI document.
fn any_schema() -> Schema {
    ObjectBuilder::new().build().into()
}

impl Body for ImportLine {
    const NAME: &'static str = "ImportLine";
    const EXAMPLE: &'static str = r#"{"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}"#;
    type Draft = ImportDraft;

    fn members() -> &'static [Member<ImportDraft>] {
        static MEMBERS: LazyLock<Vec<Member<ImportDraft>>> = LazyLock::new(|| {
            let own = [
                Member::new("id", &ID, |draft: &mut ImportDraft, id| draft.id = Some(id)),
                Member::any("slug", |draft, value| draft.slug = present_text(value)),
                Member::nullable("password_hash", &PASSWORD_HASH, |draft, hash| draft.password_hash = hash),
                Member::any("created_at", |draft, value| {
                    draft.created_at = present_text(value).and_then(|text| past_moment(&text));
                    if draft.created_at.is_none() && !value.is_absent() {
                        draft.ignored.push("created_at");
                    }
                }),
                Member::any("updated_at", |draft, value| {
                    draft.ignored.extend((!value.is_absent()).then_some("updated_at"));
                }),
                Member::any("last_purchase_date", |draft, value| {
                    draft.ignored.extend((!value.is_absent()).then_some("last_purchase_date"));
                }),
            ];
            // The first of two members with the same name counts.
            own.into_iter().chain(new_profile()).collect()
        });
        &MEMBERS
    }

    fn finish(draft: ImportDraft, _: &mut FieldErrors) -> Option<Self> {
        let ImportDraft { change, id, slug, created_at, password_hash, ignored } = draft;
        let customer = NewCustomer { created_at, ..change.into_new_customer()? };
        Some(Self { id, customer, slug, password_hash, ignored })
    }
}

fn present_text(value: &Json<'_>) -> Option<String> {
    if value.is_absent() { None } else { value.text().ok().map(ToOwned::to_owned) }
}

/// Parses an RFC 3339 time. Returns `None` if it is in the future.
fn past_moment(text: &str) -> Option<UtcMicros> {
    let moment = UtcMicros::from(DateTime::parse_from_rfc3339(text.trim()).ok()?.naive_utc());
    (moment <= UtcMicros::now()).then_some(moment)
}

fn read_id(value: &Json<'_>) -> Result<CustomerId, Violation> {
    let id = match value {
        Json::Number(digits) => CustomerId::parse(digits),
        _ => None,
    };
    id.ok_or_else(|| Violation::out_of_range("An id is a positive integer below 2^53.", 1, ID_LIMIT - 1))
}

fn read_hash(value: &Json<'_>) -> Result<String, Violation> {
    let text = value.text()?;
    if is_importable(text) {
        return Ok(text.to_owned());
    }
    Err(Violation::new(FieldCode::Format, "Use a hash in Argon2's PHC format or Django's pbkdf2_sha256$… form."))
}

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

/// The ids and emails of earlier lines of a dry run, in a few bytes per line. Later lines are compared with them, because
/// a dry run adds nothing to the database.
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

/// Adds the customers of a chunk of lines and returns one outcome per line, in order. With `earlier`, this is a dry run and
/// adds nothing.
///
/// # Errors
/// See [`DbError`].
pub fn import(
    connection: &mut DbConnection,
    operator: Operator,
    lines: &[ImportLine],
    mut earlier: Option<&mut ImportedSoFar>,
) -> DbResult<Vec<ImportOutcome>> {
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
    if earlier.is_none() {
        add(connection, operator, rows, &mut outcomes)?;
    }
    Ok(outcomes)
}

/// Adds the rows in one transaction. Rows that were skipped, because a random slug or another process collided with them,
/// are then added one by one.
fn add(
    connection: &mut DbConnection,
    operator: Operator,
    rows: Vec<(usize, NewRow<'_>)>,
    outcomes: &mut [ImportOutcome],
) -> DbResult<()> {
    let (indices, rows): (Vec<usize>, Vec<NewRow<'_>>) = rows.into_iter().unzip();
    let added = insert_rows(connection, operator, &rows)?;
    for (index, row) in indices.into_iter().zip(rows).filter(|(_, row)| !added.contains(&row.id.get())) {
        let Some(outcome) = outcomes.get_mut(index) else { continue };
        match (create(connection, operator, Some(row.id), row.new, row.password_hash), outcome) {
            (Ok(_), ImportOutcome::Added(ignored)) => ignored.push("slug"),
            (Ok(_), _) => {}
            (Err(DbError::Unique(Constraint::Email)), outcome) => *outcome = ImportOutcome::EmailTaken,
            (Err(DbError::Unique(Constraint::CustomerId)), outcome) => *outcome = ImportOutcome::IdTaken,
            (Err(error), _) => return Err(error),
        }
    }
    Ok(())
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
fn taken_slugs(connection: &mut DbConnection, lines: &[ImportLine]) -> DbResult<HashSet<String>> {
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

/// One line of an export, in the form that an import reads.
#[derive(Serialize)]
pub struct ExportLine {
    id: i64,
    #[serde(flatten)]
    customer: Customer,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
}

/// Returns the next chunk of customers after an id, in the order of ids. It is empty at the end.
///
/// # Errors
/// See [`crate::db::DbError`].
pub fn export(
    connection: &mut DbConnection,
    operator: Operator,
    after: i64,
    with_passwords: bool,
) -> DbResult<Vec<ExportLine>> {
    let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let mut created_at: BTreeMap<i64, UtcMicros> = customers::table
        .filter(customers::id.gt(after))
        .order(customers::id)
        .limit(limit)
        .select((customers::id, customers::created_at))
        .load::<(i64, UtcMicros)>(connection)?
        .into_iter()
        .collect();
    let ids: Vec<i64> = created_at.keys().copied().collect();
    let mut hashes: HashMap<i64, String> = HashMap::new();
    if with_passwords {
        let rows = passwords::table
            .filter(passwords::customer_id.eq_any(&ids))
            .select((passwords::customer_id, passwords::hash))
            .load::<(i64, String)>(connection)?;
        hashes.extend(rows);
    }
    let found = find_many(connection, operator, ids.iter().filter_map(|id| CustomerId::new(*id)))?;
    let line = |(id, customer): (CustomerId, Customer)| ExportLine {
        id: id.get(),
        customer,
        created_at: created_at
            .remove(&id.get())
            .map(|at| at.naive().and_utc().to_rfc3339_opts(SecondsFormat::Micros, true)),
        password_hash: hashes.remove(&id.get()),
    };
    Ok(found.into_iter().map(line).collect())
}

impl ExportLine {
    /// Returns the id after which the next chunk begins.
    pub fn id(&self) -> i64 {
        self.id
    }
}
