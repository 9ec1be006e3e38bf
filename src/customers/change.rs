//! What a body asks to change, checked.

use chrono::NaiveDate;

use super::fields::{Email, Name, PostalCode, country, date_of_birth, text};
use crate::db::UtcMicros;
use crate::http::{Body, FieldCode, FieldErrors, Json, JsonError, Members, Violation, pointer};

/// Members that a reply shows or might show and that nobody can set.
const READ_ONLY: [&str; 5] = ["slug", "id", "last_purchase_date", "created_at", "updated_at"];

/// What becomes of a customer; `None` leaves a member as it is.
#[derive(Clone, Default)]
pub struct Change {
    /// A new address to be reached at.
    pub email: Option<Email>,
    /// A new first name.
    pub first_name: Option<Name>,
    /// A new last name.
    pub last_name: Option<Name>,
    /// A new date, or `Some(None)` to clear it.
    pub date_of_birth: Option<Option<NaiveDate>>,
    /// What becomes of the address.
    pub address: AddressChange,
}

impl Change {
    /// What a new customer starts with, if all that one needs is there.
    pub(super) fn into_new_customer(self) -> Option<NewCustomer> {
        let new = NewCustomer::named(self.email?, self.first_name?, self.last_name?);
        let address = match self.address {
            AddressChange::Set(members) => Some(members),
            AddressChange::Keep | AddressChange::Remove => None,
        };
        Some(NewCustomer { date_of_birth: self.date_of_birth.flatten(), address, ..new })
    }
}

/// What a new customer starts with.
#[derive(Clone)]
pub struct NewCustomer {
    /// Must be free.
    pub email: Email,
    /// First name.
    pub first_name: Name,
    /// Last name.
    pub last_name: Name,
    /// Optional.
    pub date_of_birth: Option<NaiveDate>,
    /// Optional; with all required members.
    pub address: Option<AddressMembers>,
    /// When the customer began; now, unless that was elsewhere.
    pub created_at: Option<UtcMicros>,
}

impl NewCustomer {
    /// A customer of whom nothing but this is known.
    pub fn named(email: Email, first_name: Name, last_name: Name) -> Self {
        Self { email, first_name, last_name, date_of_birth: None, address: None, created_at: None }
    }
}

/// What becomes of an address.
#[derive(Clone, Default)]
pub enum AddressChange {
    /// It stays, or stays away.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// Its members are set; those that are `None` stay.
    Set(AddressMembers),
}

/// Members of an address; `None` leaves one as it is.
#[derive(Clone, Default)]
pub struct AddressMembers {
    /// Street and number.
    pub street_address: Option<String>,
    /// `Some(None)` clears it.
    pub postal_code: Option<Option<PostalCode>>,
    /// City or town.
    pub city: Option<String>,
    /// `Some(None)` clears it.
    pub state: Option<Option<String>>,
    /// A full English name.
    pub country: Option<String>,
}

/// The body of PUT: an address is one value, replaced as a whole.
pub struct PutCustomer(pub Change);

impl Body for PutCustomer {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, JsonError> {
        change(members, errors, whole_address).map(|change| Some(Self(change)))
    }
}

/// The body of PATCH (RFC 7396): members of an address are merged one by one, and the statement checks the whole.
pub struct PatchCustomer(pub Change);

impl Body for PatchCustomer {
    const MEDIA_TYPES: &'static [&'static str] = &["application/merge-patch+json", "application/json"];

    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, JsonError> {
        change(members, errors, address_members).map(|change| Some(Self(change)))
    }
}

type ReadAddress = fn(&Members<'_>, &mut FieldErrors) -> AddressMembers;

fn change(members: &Members<'_>, errors: &mut FieldErrors, read: ReadAddress) -> Result<Change, JsonError> {
    let mut change = Change::default();
    for (name, value) in members.iter() {
        member(&mut change, name, &value, errors, read)?;
    }
    Ok(change)
}

/// Reads one member that describes a customer into `change`.
pub(super) fn member(
    change: &mut Change,
    name: &str,
    value: &Json<'_>,
    errors: &mut FieldErrors,
    read: ReadAddress,
) -> Result<(), JsonError> {
    match name {
        "email" => change.email = errors.keep("#/email", value.text().and_then(Email::parse)),
        "first_name" => change.first_name = errors.keep("#/first_name", value.text().and_then(Name::first)),
        "last_name" => change.last_name = errors.keep("#/last_name", value.text().and_then(Name::last)),
        "date_of_birth" => {
            change.date_of_birth =
                errors.keep("#/date_of_birth", nullable(value, |value| date_of_birth(value.text()?)));
        }
        "address" => match value {
            Json::Object(raw) => change.address = AddressChange::Set(read(&Members::parse(raw)?, errors)),
            value if is_absent(value) => change.address = AddressChange::Remove,
            _ => errors.add("#/address", Violation::wrong_type("an object or null")),
        },
        other if READ_ONLY.contains(&other) => {}
        other => errors.add(pointer("#", other), unknown()),
    }
    Ok(())
}

fn unknown() -> Violation {
    Violation::new(FieldCode::UnknownField, "There is no such member.")
}

fn nullable<'a, T>(
    value: &Json<'a>,
    read: impl FnOnce(&Json<'a>) -> Result<T, Violation>,
) -> Result<Option<T>, Violation> {
    if is_absent(value) { Ok(None) } else { read(value).map(Some) }
}

/// `null`, or the empty text, which a form sends for what was left out.
pub(super) fn is_absent(value: &Json<'_>) -> bool {
    matches!(value, Json::Null) || matches!(value, Json::String(text) if text.trim().is_empty())
}

fn address_members(members: &Members<'_>, errors: &mut FieldErrors) -> AddressMembers {
    let mut address = AddressMembers::default();
    for (name, value) in members.iter() {
        let text = |most| value.text().and_then(|text| text::normalise(text, 1..=most));
        match name {
            "street_address" => address.street_address = errors.keep("#/address/street_address", text(255)),
            "city" => address.city = errors.keep("#/address/city", text(100)),
            "country" => address.country = errors.keep("#/address/country", value.text().and_then(country::parse)),
            "state" => {
                let state = nullable(&value, |value| text::normalise(value.text()?, 1..=100));
                address.state = errors.keep("#/address/state", state);
            }
            "postal_code" => {
                address.postal_code = errors.keep("#/address/postal_code", nullable(&value, PostalCode::parse));
            }
            other => errors.add(pointer("#/address", other), unknown()),
        }
    }
    address
}

/// Optional members that are absent become `null`, the others are required.
pub(super) fn whole_address(members: &Members<'_>, errors: &mut FieldErrors) -> AddressMembers {
    let mut address = address_members(members, errors);
    members.require("#/address", &["street_address", "city", "country"], errors);
    address.state.get_or_insert_default();
    address.postal_code.get_or_insert_default();
    address
}
