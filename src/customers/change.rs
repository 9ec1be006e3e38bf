//! Validated changes of a customer, and the request bodies that they come from.

use std::sync::LazyLock;

use chrono::NaiveDate;

use super::fields::{
    CITY, COUNTRY, DATE_OF_BIRTH, EMAIL, Email, FIRST_NAME, LAST_NAME, Name, POSTAL_CODE, PostalCode, STATE,
    STREET_ADDRESS,
};
use crate::db::UtcMicros;
use crate::http::{Body, FieldErrors, Member};

/// A change of a customer. A field that is `None` stays as it is.
#[derive(Clone, Default)]
pub struct Change {
    /// A new email address.
    pub email: Option<Email>,
    /// A new first name.
    pub first_name: Option<Name>,
    /// A new last name.
    pub last_name: Option<Name>,
    /// A new date, or `Some(None)` to clear it.
    pub date_of_birth: Option<Option<NaiveDate>>,
    /// The change of the postal address.
    pub address: AddressChange,
}

impl Change {
    /// Converts the change to a new customer. Returns `None` if a required member is missing.
    pub(super) fn into_new_customer(self) -> Option<NewCustomer> {
        let new = NewCustomer::named(self.email?, self.first_name?, self.last_name?);
        let address = match self.address {
            AddressChange::Set(members) => Some(members),
            AddressChange::Keep | AddressChange::Remove => None,
        };
        Some(NewCustomer { date_of_birth: self.date_of_birth.flatten(), address, ..new })
    }
}

/// The data of a new customer.
#[derive(Clone)]
pub struct NewCustomer {
    /// Must not belong to another customer.
    pub email: Email,
    /// First name.
    pub first_name: Name,
    /// Last name.
    pub last_name: Name,
    /// May be unset.
    pub date_of_birth: Option<NaiveDate>,
    /// May be unset. Has all required members otherwise.
    pub address: Option<AddressMembers>,
    /// When the customer was created, if that was in another system. `None` means now.
    pub created_at: Option<UtcMicros>,
    /// When the email was verified, if that was in another system.
    pub email_verified_at: Option<UtcMicros>,
    /// When the account was disabled, if that was in another system.
    pub disabled_at: Option<UtcMicros>,
}

impl NewCustomer {
    /// Creates a customer without the optional data.
    pub fn named(email: Email, first_name: Name, last_name: Name) -> Self {
        Self {
            email,
            first_name,
            last_name,
            date_of_birth: None,
            address: None,
            created_at: None,
            email_verified_at: None,
            disabled_at: None,
        }
    }
}

/// A change of an address.
#[derive(Clone, Default)]
pub enum AddressChange {
    /// Leaves the address as it is, or unset.
    #[default]
    Keep,
    /// Removes the address.
    Remove,
    /// Sets members. Those that are `None` keep their value.
    Set(AddressMembers),
}

/// The members of an address to set. `None` leaves a member as it is.
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

/// The body of PUT. It replaces the address as a whole.
pub struct PutCustomer(pub Change);

impl Body for PutCustomer {
    const NAME: &'static str = "CustomerReplacement";
    const EXAMPLE: &'static str = include_str!("../../tests/api/seed/request.json");
    type Draft = Change;

    fn members() -> &'static [Member<Change>] {
        static MEMBERS: LazyLock<Vec<Member<Change>>> = LazyLock::new(|| profile(whole_address()));
        &MEMBERS
    }

    fn finish(change: Change, _: &mut FieldErrors) -> Option<Self> {
        Some(Self(change))
    }
}

/// The body of PATCH (RFC 7396). It merges the address member by member; whether the result is complete can only be
/// checked against the stored row.
pub struct PatchCustomer(pub Change);

impl Body for PatchCustomer {
    const NAME: &'static str = "CustomerPatch";
    const EXAMPLE: &'static str = r#"{"date_of_birth": null, "address": {"city": "San Diego"}}"#;
    const MEDIA_TYPES: &'static [&'static str] = &["application/merge-patch+json", "application/json"];
    type Draft = Change;

    fn members() -> &'static [Member<Change>] {
        static MEMBERS: LazyLock<Vec<Member<Change>>> = LazyLock::new(|| profile(merged_address()));
        &MEMBERS
    }

    fn finish(change: Change, _: &mut FieldErrors) -> Option<Self> {
        Some(Self(change))
    }
}

impl AsMut<Self> for Change {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

/// Returns the members of a new customer's profile: email and names are required, and an address is complete.
pub(super) fn new_profile<D: AsMut<Change> + 'static>() -> impl Iterator<Item = Member<D>> {
    profile(whole_address()).into_iter().map(|member| match member.name() {
        "email" | "first_name" | "last_name" => member.required(),
        _ => member,
    })
}

/// Returns the members of a profile, with `address` as the declaration of the address.
fn profile<D: AsMut<Change> + 'static>(address: Member<D>) -> Vec<Member<D>> {
    vec![
        Member::new("email", &EMAIL, |draft: &mut D, email| draft.as_mut().email = Some(email)),
        Member::new("first_name", &FIRST_NAME, |draft: &mut D, name| draft.as_mut().first_name = Some(name)),
        Member::new("last_name", &LAST_NAME, |draft: &mut D, name| draft.as_mut().last_name = Some(name)),
        Member::nullable("date_of_birth", &DATE_OF_BIRTH, |draft: &mut D, date| {
            draft.as_mut().date_of_birth = Some(date);
        }),
        address,
        Member::read_only("slug"),
        Member::read_only("id"),
        Member::read_only("last_purchase_date"),
        Member::read_only("created_at"),
        Member::read_only("updated_at"),
    ]
}

/// Declares an address that replaces the stored one. Absent optional members become null; the others are required.
fn whole_address<D: AsMut<Change> + 'static>() -> Member<D> {
    let members = address().map(|(member, is_required)| if is_required { member.required() } else { member });
    Member::object("address", members.into(), |draft: &mut D, address| {
        draft.as_mut().address = address.map_or(AddressChange::Remove, |mut address: AddressMembers| {
            address.state.get_or_insert_default();
            address.postal_code.get_or_insert_default();
            AddressChange::Set(address)
        });
    })
}

fn merged_address() -> Member<Change> {
    let members = address().map(|(member, _)| member);
    Member::object("address", members.into(), |change: &mut Change, address| {
        change.address = address.map_or(AddressChange::Remove, AddressChange::Set);
    })
}

/// Returns the members of an address, each with whether it is required.
fn address() -> [(Member<AddressMembers>, bool); 5] {
    [
        (Member::new("street_address", &STREET_ADDRESS, |address, street| address.street_address = Some(street)), true),
        (Member::nullable("postal_code", &POSTAL_CODE, |address, code| address.postal_code = Some(code)), false),
        (Member::new("city", &CITY, |address, city| address.city = Some(city)), true),
        (Member::nullable("state", &STATE, |address, state| address.state = Some(state)), false),
        (Member::new("country", &COUNTRY, |address, country| address.country = Some(country)), true),
    ]
}
