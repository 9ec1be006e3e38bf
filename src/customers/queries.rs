//! Each function is one statement or one transaction.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::change::NewCustomer;
use super::fields::{Email, slug};
use super::model::Versioned;
use super::read::{find_owned, find_unowned};
use super::stored::{AddressRow, CustomerRow};
use crate::db::{Constraint, DbConnection, DbError, DbResult, UtcMicros, in_transaction};
use crate::events::Event;
use crate::history::{self, Caller};
use crate::http::{Denied, Operator, OwnedCustomer};
use crate::ids::CustomerId;
use crate::outbox::{self, Mail};
use crate::schema::{addresses, customers, passwords};
use crate::sessions::hold;

/// How many ids or slugs are tried before a collision is reported as an error.
const DRAWS: u32 = 8;

#[derive(Insertable)]
#[diesel(table_name = customers)]
struct CustomerInsert {
    id: i64,
    #[diesel(embed)]
    columns: CustomerRow,
    version: i64,
    created_at: UtcMicros,
    updated_at: UtcMicros,
    disabled_at: Option<UtcMicros>,
    email_verified_at: Option<UtcMicros>,
}

#[derive(Insertable)]
#[diesel(table_name = addresses)]
struct AddressInsert {
    customer_id: i64,
    #[diesel(embed)]
    columns: AddressRow,
}

impl CustomerInsert {
    fn new(id: CustomerId, new: &NewCustomer, slug: &str, now: UtcMicros) -> Self {
        let columns = CustomerRow::new(new, slug.to_owned());
        Self {
            id: id.get(),
            columns,
            version: 1,
            created_at: new.created_at.unwrap_or(now),
            updated_at: now,
            disabled_at: new.disabled_at,
            email_verified_at: new.email_verified_at,
        }
    }
}

impl AddressInsert {
    /// Returns the address of a new customer, if it has one. The required members were checked with the body.
    fn new(id: CustomerId, new: &NewCustomer) -> DbResult<Option<Self>> {
        let Some(members) = &new.address else {
            return Ok(None);
        };
        let columns = AddressRow::merged(None, members)
            .map_err(|missing| DbError::Internal(format!("an unchecked address lacks {}", missing.join(", "))))?;
        Ok(Some(Self { customer_id: id.get(), columns }))
    }
}

/// Adds a customer for the operator, with the given id. The first holder of a name gets the plain slug, later holders
/// get a random suffix: usually one more attempt, however many holders there are.
///
/// # Errors
/// [`DbError::Unique`] when the email or the id is taken.
pub fn insert_at(
    connection: &mut DbConnection,
    _: Operator,
    id: CustomerId,
    new: &NewCustomer,
) -> DbResult<CustomerId> {
    insert_with_slug(connection, id, new)
}

fn insert_with_slug(connection: &mut DbConnection, id: CustomerId, new: &NewCustomer) -> DbResult<CustomerId> {
    let form = slug::form(&new.first_name.slug, &new.last_name.slug);
    let mut chosen = form.clone();
    let mut outcome = Err(DbError::Unique(Constraint::Slug));
    for _ in 0..DRAWS {
        outcome = try_insert(connection, id, new, &chosen);
        if !matches!(outcome, Err(DbError::Unique(Constraint::Slug))) {
            break;
        }
        chosen = slug::suffixed(&form, &slug::random_suffix());
    }
    outcome.map(|()| id)
}

fn try_insert(connection: &mut DbConnection, id: CustomerId, new: &NewCustomer, slug: &str) -> DbResult<()> {
    let customer = CustomerInsert::new(id, new, slug, UtcMicros::now());
    let address = AddressInsert::new(id, new)?;
    connection.transaction(|connection| {
        diesel::insert_into(customers::table).values(&customer).execute(connection)?;
        if let Some(address) = &address {
            diesel::insert_into(addresses::table).values(address).execute(connection)?;
        }
        Ok(())
    })
}

/// Adds a customer for the operator, with the given or a new id, and the password if `hash` is set.
///
/// # Errors
/// [`DbError::Unique`] when the email, or the given id, is taken.
pub fn create(
    connection: &mut DbConnection,
    _: Operator,
    id: Option<CustomerId>,
    new: &NewCustomer,
    hash: Option<&str>,
) -> DbResult<CustomerId> {
    insert(connection, id, new, hash)
}

/// Adds a customer and the password in one transaction, with the given or a new id.
pub(super) fn insert(
    connection: &mut DbConnection,
    id: Option<CustomerId>,
    new: &NewCustomer,
    hash: Option<&str>,
) -> DbResult<CustomerId> {
    create_and(connection, id, new, hash, |_, id| Ok(id))
}

/// Does something more in the transaction that adds the customer.
fn create_and<T>(
    connection: &mut DbConnection,
    id: Option<CustomerId>,
    new: &NewCustomer,
    hash: Option<&str>,
    then: impl Fn(&mut DbConnection, CustomerId) -> DbResult<T>,
) -> DbResult<T> {
    let mut outcome = Err(DbError::Unique(Constraint::CustomerId));
    for _ in 0..DRAWS {
        let id = id.unwrap_or_else(CustomerId::generate);
        outcome = connection.transaction(|connection| {
            insert_with_slug(connection, id, new)?;
            if let Some(hash) = hash {
                let password = PasswordInsert { customer_id: id.get(), hash, changed_at: UtcMicros::now() };
                diesel::insert_into(passwords::table).values(password).execute(connection)?;
            }
            then(connection, id)
        });
        if !matches!(outcome, Err(DbError::Unique(Constraint::CustomerId))) {
            break;
        }
    }
    outcome
}

/// Adds a customer who can sign in. All in one transaction: if reading fails, nothing was added, and the same may be
/// tried again.
pub(super) fn register(
    connection: &mut DbConnection,
    new: &NewCustomer,
    hash: &str,
    caller: &Caller,
) -> DbResult<Result<(CustomerId, Versioned), Denied>> {
    let read = |connection: &mut DbConnection, id| {
        history::add(connection, Event::Registration, id, None, caller)?;
        outbox::add(connection, caller, Some(id), Mail::VerifyEmail)?;
        Ok(find_unowned(connection, id)?.map(|versioned| (id, versioned)))
    };
    match create_and(connection, None, new, Some(hash), read) {
        Ok(added) => Ok(added.ok_or(Denied::Missing)),
        Err(DbError::Unique(Constraint::Email)) => Ok(Err(Denied::EmailTaken)),
        Err(error) => Err(error),
    }
}

/// Erases the customer with address, password and sessions, if the version is one of the expected ones. A notice is
/// mailed.
pub(super) fn erase(
    connection: &mut DbConnection,
    customer: &OwnedCustomer,
    expected: Option<&[i64]>,
    caller: &Caller,
) -> DbResult<Result<(), Denied>> {
    connection.transaction(|connection| {
        if let Err(denied) = hold(connection, customer)? {
            return Ok(Err(denied));
        }
        let version_fits = customers::version.eq_any(expected.unwrap_or_default().to_vec());
        let erased = diesel::delete(customers::table.find(customer.id().get()))
            .filter(customers::disabled_at.is_null())
            .filter(expected.is_none().into_sql::<Bool>().or(version_fits))
            .returning(LAST_SEEN)
            .get_results::<LastSeen>(connection)?;
        if let Some(last_seen) = erased.into_iter().next() {
            notify_erased(connection, caller, last_seen)?;
            return Ok(Ok(()));
        }
        // Which also tells that the account is disabled.
        Ok(find_owned(connection, customer)?.and(Err(Denied::VersionMismatch)))
    })
}

/// Erases a customer for the operator. A notice is mailed. Returns whether the customer existed.
///
/// # Errors
/// See [`DbError`].
pub fn erase_by_id(connection: &mut DbConnection, _: Operator, id: CustomerId, caller: &Caller) -> DbResult<bool> {
    in_transaction(connection, |connection| {
        let own = diesel::delete(customers::table.find(id.get()));
        match own.returning(LAST_SEEN).get_results::<LastSeen>(connection)?.pop() {
            Some(last_seen) => notify_erased(connection, caller, last_seen).map(|()| true),
            None => Ok(false),
        }
    })
}

/// What the notice of an erasure needs: the email, when it was verified, and the first name.
type LastSeen = (String, Option<UtcMicros>, String);

const LAST_SEEN: (customers::email, customers::email_verified_at, customers::first_name) =
    (customers::email, customers::email_verified_at, customers::first_name);

/// Mails a notice to somebody who was erased. Its row belongs to no customer, so that it outlives the customer.
fn notify_erased(connection: &mut DbConnection, caller: &Caller, last_seen: LastSeen) -> DbResult<()> {
    let (email, verified_at, first_name) = last_seen;
    if let Ok(email) = Email::parse(&email) {
        outbox::forget_requests(connection, email.canonical())?;
    }
    let first_name = verified_at.map(|_| first_name);
    outbox::add(connection, caller, None, Mail::Erased { email, first_name })?;
    Ok(())
}

/// A customer to add, with id and slug.
pub struct NewRow<'a> {
    /// The row is skipped if the id is taken.
    pub id: CustomerId,
    /// The profile.
    pub new: &'a NewCustomer,
    /// The row is skipped if the slug is taken.
    pub slug: String,
    /// A hash in a form that sign-in can verify.
    pub password_hash: Option<&'a str>,
}

/// Adds customers in one transaction, skipping those whose id, email or slug is taken. Returns the ids of the added
/// customers.
///
/// # Errors
/// See [`DbError`].
pub fn insert_rows(connection: &mut DbConnection, _: Operator, rows: &[NewRow<'_>]) -> DbResult<HashSet<i64>> {
    let now = UtcMicros::now();
    match connection {
        DbConnection::Postgres(postgres) => postgres.transaction(|postgres| {
            let added: HashSet<i64> = diesel::insert_into(customers::table)
                .values(rows.iter().map(|row| row.customer(now)).collect::<Vec<_>>())
                .on_conflict_do_nothing()
                .returning(customers::id)
                .get_results(postgres)?
                .into_iter()
                .collect();
            let rows: Vec<_> = rows.iter().filter(|row| added.contains(&row.id.get())).collect();
            let addresses = rows.iter().filter_map(|row| row.address().transpose()).collect::<DbResult<Vec<_>>>()?;
            diesel::insert_into(addresses::table).values(addresses).execute(postgres)?;
            let hashes: Vec<_> = rows.iter().filter_map(|row| row.password(now)).collect();
            diesel::insert_into(passwords::table).values(hashes).execute(postgres)?;
            Ok(added)
        }),
        DbConnection::Sqlite(sqlite) => sqlite.immediate_transaction(|sqlite| {
            let mut added = HashSet::new();
            for row in rows {
                if diesel::insert_or_ignore_into(customers::table).values(row.customer(now)).execute(sqlite)? == 1 {
                    added.insert(row.id.get());
                    if let Some(address) = row.address()? {
                        diesel::insert_into(addresses::table).values(address).execute(sqlite)?;
                    }
                    if let Some(password) = row.password(now) {
                        diesel::insert_into(passwords::table).values(password).execute(sqlite)?;
                    }
                }
            }
            Ok(added)
        }),
    }
}

impl NewRow<'_> {
    fn customer(&self, now: UtcMicros) -> CustomerInsert {
        CustomerInsert::new(self.id, self.new, &self.slug, now)
    }

    fn address(&self) -> DbResult<Option<AddressInsert>> {
        AddressInsert::new(self.id, self.new)
    }

    fn password(&self, now: UtcMicros) -> Option<PasswordInsert<'_>> {
        self.password_hash.map(|hash| PasswordInsert { customer_id: self.id.get(), hash, changed_at: now })
    }
}

#[derive(Insertable)]
#[diesel(table_name = passwords)]
struct PasswordInsert<'a> {
    customer_id: i64,
    hash: &'a str,
    changed_at: UtcMicros,
}
