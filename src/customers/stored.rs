//! The rows of a customer. Each column is declared here once, for every statement.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Text};

use super::change::{AddressMembers, Change, NewCustomer};
use super::fields::slug;
use super::fields::{Name, PostalCode};
use super::model::{Address, Customer, Versioned};
use crate::db::statement::{Columns, columns};
use crate::schema::{addresses, customers};

columns! {
    /// The profile's columns in `customers`, without id, version and times.
    #[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
    #[diesel(table_name = customers)]
    pub(super) struct CustomerRow, CustomerArrays {
        email: String => Text,
        email_canonical: String => Text,
        first_name: String => Text,
        first_name_slug: String => Text,
        last_name: String => Text,
        last_name_slug: String => Text,
        slug: String => Text,
        date_of_birth: Option<NaiveDate> => Nullable<Date>,
    }
}

columns! {
    /// The columns of an address in `addresses`.
    #[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
    #[diesel(table_name = addresses)]
    pub(super) struct AddressRow, AddressArrays {
        street_address: String => Text,
        postal_code: Option<String> => Nullable<Text>,
        city: String => Text,
        state: Option<String> => Nullable<Text>,
        country: String => Text,
    }
}

/// The SQL types of [`Stored`].
pub(super) type StoredTypes = (BigInt, <CustomerRow as Columns>::SqlTypes, Nullable<<AddressRow as Columns>::SqlTypes>);

/// A customer's row with its version and its address.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub(super) struct Stored {
    pub(super) version: i64,
    pub(super) customer: CustomerRow,
    pub(super) address: Option<AddressRow>,
}

impl CustomerRow {
    /// Creates the row of a new customer.
    pub(super) fn new(new: &NewCustomer, slug: String) -> Self {
        Self {
            email: new.email.typed().to_owned(),
            email_canonical: new.email.canonical().to_owned(),
            first_name: new.first_name.text.clone(),
            first_name_slug: new.first_name.slug.clone(),
            last_name: new.last_name.text.clone(),
            last_name_slug: new.last_name.slug.clone(),
            slug,
            date_of_birth: new.date_of_birth,
        }
    }

    /// Returns the row after a change. An unchanged name or email keeps its stored slug or canonical form, which a
    /// newer version of the rules might derive differently.
    pub(super) fn merged(&self, change: &Change) -> Self {
        let mut next = self.clone();
        if let Some(email) = change.email.as_ref().filter(|email| email.typed() != self.email) {
            email.typed().clone_into(&mut next.email);
            email.canonical().clone_into(&mut next.email_canonical);
        }
        if let Some(name) = change.first_name.as_ref().filter(|name| name.text != self.first_name) {
            next.set_first_name(name);
        }
        if let Some(name) = change.last_name.as_ref().filter(|name| name.text != self.last_name) {
            next.set_last_name(name);
        }
        if let Some(date) = change.date_of_birth {
            next.date_of_birth = date;
        }
        next
    }

    fn set_first_name(&mut self, name: &Name) {
        self.first_name.clone_from(&name.text);
        self.first_name_slug.clone_from(&name.slug);
    }

    fn set_last_name(&mut self, name: &Name) {
        self.last_name.clone_from(&name.text);
        self.last_name_slug.clone_from(&name.slug);
    }

    /// Returns the slug of the full name before it is made unique.
    pub(super) fn slug_form(&self) -> String {
        slug::form(&self.first_name_slug, &self.last_name_slug)
    }
}

impl AddressRow {
    /// Returns the address after setting these members. Members that are `None` keep their value.
    ///
    /// # Errors
    /// The required members that are missing.
    pub(super) fn merged(current: Option<&Self>, members: &AddressMembers) -> Result<Self, Vec<&'static str>> {
        let mut missing = Vec::new();
        let mut required = |name, set: &Option<String>, kept: Option<&String>| {
            set.as_ref().or(kept).cloned().unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let postal_code = members.postal_code.as_ref().map(|code| code.as_ref().map(|code| code.as_str().to_owned()));
        let address = Self {
            street_address: required("street_address", &members.street_address, current.map(|row| &row.street_address)),
            postal_code: postal_code.unwrap_or_else(|| current.and_then(|row| row.postal_code.clone())),
            city: required("city", &members.city, current.map(|row| &row.city)),
            state: members.state.clone().unwrap_or_else(|| current.and_then(|row| row.state.clone())),
            country: required("country", &members.country, current.map(|row| &row.country)),
        };
        if missing.is_empty() { Ok(address) } else { Err(missing) }
    }
}

impl From<Stored> for Versioned {
    fn from(Stored { version, customer, address }: Stored) -> Self {
        let CustomerRow { email, first_name, last_name, slug, date_of_birth, .. } = customer;
        let address = address.map(|AddressRow { street_address, postal_code, city, state, country }| Address {
            street_address,
            postal_code: postal_code.map(PostalCode::stored),
            city,
            state,
            country,
        });
        Self { version, customer: Customer { email, first_name, last_name, slug, date_of_birth, address } }
    }
}
