//! Merges changes with the stored rows, in memory, one after the other.

use std::collections::HashMap;

use crate::customers::change::{AddressChange, Change};
use crate::customers::fields::slug;
use crate::customers::holders::{Holders, NewNames};
use crate::customers::model::Versioned;
use crate::customers::stored::{AddressRow, CustomerRow, Stored};
use crate::http::conditional::Conditions;
use crate::http::{Denied, FieldCode, FieldError, Violation};
use crate::ids::CustomerId;
use crate::settings::EmailRule;

/// The result of a change that was applied, or that changed nothing.
#[derive(Debug)]
pub struct Done {
    /// The customer after the change.
    pub versioned: Box<Versioned>,
    /// How the email changed, if it did.
    pub email: EmailChange,
}

/// How a change affected the email.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailChange {
    /// Not at all.
    None,
    /// It is written differently, but leads to the same mailbox.
    Spelling,
    /// It leads to another mailbox. Holds the email before.
    Replaced(String),
}

/// A customer during a batch.
pub(super) struct Profile {
    /// After the changes so far.
    pub(super) now: Stored,
    before: Stored,
}

impl Profile {
    /// Returns whether a column with a unique index must be written.
    pub(super) fn unique_differs(&self) -> bool {
        let (now, before) = (&self.now.customer, &self.before.customer);
        now.email_canonical != before.email_canonical || now.slug != before.slug
    }

    /// Returns whether the address must be written or removed.
    pub(super) fn address_differs(&self) -> bool {
        self.now.address != self.before.address
    }
}

/// The changed customers of a batch.
#[derive(Default)]
pub(super) struct Profiles {
    holders: Holders,
    by_id: HashMap<CustomerId, Profile>,
    new_names: NewNames,
}

impl Profiles {
    pub(super) fn with_holders(holders: Holders) -> Self {
        Self { holders, ..Self::default() }
    }

    /// Takes the emails and slugs that the merges so far assigned. Returns `None` if there are none.
    pub(super) fn take_new_names(&mut self) -> Option<NewNames> {
        let new_names = std::mem::take(&mut self.new_names);
        (!new_names.emails.is_empty() || !new_names.slugs.is_empty()).then_some(new_names)
    }

    /// Returns the customers to write.
    pub(super) fn changed(&self) -> Vec<(i64, &Profile)> {
        self.by_id.iter().map(|(id, profile)| (id.get(), profile)).collect()
    }

    /// Merges a change with its customer. An earlier change of the same customer in this batch takes precedence over
    /// `stored`. A denied change leaves the customer unchanged.
    pub(super) fn merge(
        &mut self,
        id: CustomerId,
        change: &Change,
        rule: EmailRule,
        conditions: &Conditions,
        stored: &Stored,
    ) -> Result<Done, Denied> {
        let current = self.by_id.get(&id).map_or(stored, |profile| &profile.now);
        let customer = current.customer.merged(change);
        let email = EmailChange::between(&current.customer, &customer);
        let address = checked(&email, rule, merged_address(current.address.as_ref(), &change.address))?;
        let mut next = Stored { version: current.version, customer, address };
        if !conditions.allow(current.version) {
            return Err(Denied::VersionMismatch);
        }
        if let EmailChange::Replaced(_) = email {
            self.new_names.emails.push(next.customer.email_canonical.clone());
            if is_held(&self.holders.emails, &next.customer.email_canonical, id) {
                return Err(Denied::EmailTaken);
            }
        }
        if next.customer.slug_form() != current.customer.slug_form() {
            next.customer.slug = free_slug(&next.customer, id, &mut self.holders, &mut self.new_names.slugs);
        }
        if next != *current {
            next.version += 1;
            self.keep(id, &next, stored);
        }
        Ok(Done { versioned: Box::new(Versioned::from(next)), email })
    }

    fn keep(&mut self, id: CustomerId, next: &Stored, stored: &Stored) {
        self.holders.emails.insert(next.customer.email_canonical.clone(), id);
        self.holders.slugs.insert(next.customer.slug.clone(), id);
        let profile = self.by_id.entry(id);
        profile.or_insert_with(|| Profile { now: stored.clone(), before: stored.clone() }).now = next.clone();
    }
}

impl EmailChange {
    fn between(before: &CustomerRow, after: &CustomerRow) -> Self {
        if after.email_canonical != before.email_canonical {
            Self::Replaced(before.email.clone())
        } else if after.email != before.email {
            Self::Spelling
        } else {
            Self::None
        }
    }
}

/// Returns the merged address, or the errors of the email and of the address.
fn checked(
    email: &EmailChange,
    rule: EmailRule,
    address: Result<Option<AddressRow>, Vec<&'static str>>,
) -> Result<Option<AddressRow>, Denied> {
    let mut errors: Vec<FieldError> = Vec::new();
    if matches!((email, rule), (EmailChange::Replaced(_), EmailRule::Confirmed)) {
        let detail = "Confirm the new email address first: POST it to …/email/.";
        errors.push(Violation::new(FieldCode::NeedsConfirmation, detail).at("#/email"));
    }
    let address = address.unwrap_or_else(|missing| {
        errors.extend(missing.iter().map(|name| Violation::required().at(format!("#/address/{name}"))));
        None
    });
    if errors.is_empty() { Ok(address) } else { Err(Denied::Fields(errors)) }
}

fn is_held(holders: &HashMap<String, CustomerId>, name: &str, by_other_than: CustomerId) -> bool {
    holders.get(name).is_some_and(|holder| *holder != by_other_than)
}

/// Returns the address after the change, or the required members that it would lack.
fn merged_address(
    current: Option<&AddressRow>,
    change: &AddressChange,
) -> Result<Option<AddressRow>, Vec<&'static str>> {
    match change {
        AddressChange::Keep => Ok(current.cloned()),
        AddressChange::Remove => Ok(None),
        AddressChange::Set(members) => AddressRow::merged(current, members).map(Some),
    }
}

/// Returns the plain slug if it is free, else one with a random suffix.
fn free_slug(row: &CustomerRow, id: CustomerId, holders: &mut Holders, new_names: &mut Vec<String>) -> String {
    let form = row.slug_form();
    let is_free = |slug: &str| !is_held(&holders.slugs, slug, id);
    let suffixed = || slug::suffixed(&form, &slug::random_suffix());
    if is_free(&form) {
        new_names.extend([form.clone(), suffixed(), suffixed()]);
        return form;
    }
    let known = holders.free.iter().position(|free| slug::is_of_form(free, &form) && is_free(free));
    known.map_or_else(suffixed, |index| holders.free.swap_remove(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customers::change::{AddressMembers, NewCustomer};
    use crate::customers::fields::{Email, Name};

    fn id(number: i64) -> CustomerId {
        CustomerId::new(number).expect("an id")
    }

    fn stored(number: i64) -> Stored {
        let email = Email::parse(&format!("customer{number}@example.com")).expect("an email");
        let name = |text: &str| Name::from(text.to_owned());
        let new = NewCustomer::named(email, name("Customer"), name(&number.to_string()));
        let customer = CustomerRow::new(&new, format!("customer-{number}"));
        Stored { version: 1, customer, address: None }
    }

    fn renamed(first_name: &str) -> Change {
        Change { first_name: Some(Name::from(first_name.to_owned())), ..Change::default() }
    }

    fn with_email(email: &str) -> Change {
        Change { email: Some(Email::parse(email).expect("an email")), ..Change::default() }
    }

    fn merge(profiles: &mut Profiles, number: i64, change: &Change) -> Result<Done, Denied> {
        profiles.merge(id(number), change, EmailRule::Immediate, &Conditions::default(), &stored(number))
    }

    fn missing(name: &str) -> FieldError {
        Violation::required().at(format!("#/address/{name}"))
    }

    #[test]
    fn changes_of_one_customer_are_merged_one_after_the_other_each_with_its_own_version() {
        let mut profiles = Profiles::default();
        let last = Change { last_name: Some(Name::from("Lovelace".to_owned())), ..Change::default() };
        let versions = [renamed("Ada"), last, renamed("Ada"), renamed("Augusta")].map(|change| {
            let done = merge(&mut profiles, 1, &change).expect("a merge");
            (done.versioned.version, done.versioned.customer.slug)
        });
        let expected = [(2, "ada-1"), (3, "ada-lovelace"), (3, "ada-lovelace"), (4, "augusta-lovelace")];
        assert_eq!(versions, expected.map(|(version, slug)| (version, slug.to_owned())));
        assert_eq!(profiles.changed().len(), 1);
    }

    #[test]
    fn what_changes_nothing_is_not_written() {
        let mut profiles = Profiles::default();
        for change in [Change::default(), renamed("Customer"), with_email("customer1@example.com")] {
            assert_eq!(merge(&mut profiles, 1, &change).expect("a merge").versioned.version, 1);
        }
        assert!(profiles.changed().is_empty() && profiles.take_new_names().is_none());
    }

    #[test]
    fn of_two_who_want_one_email_the_first_gets_it_and_the_second_stays_as_it_was() {
        let mut profiles = Profiles::default();
        assert!(merge(&mut profiles, 1, &with_email("NEW@example.com")).is_ok());
        let change = Change { first_name: Some(Name::from("Ada".to_owned())), ..with_email("new@example.com") };
        assert_eq!(merge(&mut profiles, 2, &change).err(), Some(Denied::EmailTaken));
        assert_eq!(profiles.changed().len(), 1);
        assert!(merge(&mut profiles, 1, &with_email("new@example.com")).is_ok());
    }

    #[test]
    fn a_new_email_is_told_from_another_spelling_and_may_need_confirmation() {
        let mut profiles = Profiles::default();
        let mut merge = |email: &str, rule| {
            let change =
                AddressChange::Set(AddressMembers { city: Some("Lima".to_owned()), ..AddressMembers::default() });
            let address = if email.contains("new") { change } else { AddressChange::Keep };
            let change = Change { address, ..with_email(email) };
            profiles.merge(id(1), &change, rule, &Conditions::default(), &stored(1))
        };
        let email = |done: Done| done.email;
        assert_eq!(merge("customer1@example.com", EmailRule::Confirmed).map(email), Ok(EmailChange::None));
        assert_eq!(merge("Customer1@EXAMPLE.com", EmailRule::Confirmed).map(email), Ok(EmailChange::Spelling));
        let replaced = EmailChange::Replaced("Customer1@EXAMPLE.com".to_owned());
        assert_eq!(merge("other@example.com", EmailRule::Immediate).map(email), Ok(replaced));
        let Err(Denied::Fields(errors)) = merge("new@example.com", EmailRule::Confirmed) else {
            unreachable!("it needs confirmation");
        };
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["#/email", "#/address/street_address", "#/address/country"]);
    }

    #[test]
    fn a_slug_that_another_customer_holds_gets_a_suffix() {
        let slugs = HashMap::from([("ada-1".to_owned(), id(7))]);
        let free_slugs = vec!["ada-1-22222".to_owned()];
        let mut profiles = Profiles::with_holders(Holders { slugs, free: free_slugs, ..Holders::default() });
        let slug = |done: Done| done.versioned.customer.slug;
        assert_eq!(merge(&mut profiles, 1, &renamed("Ada")).map(slug), Ok("ada-1-22222".to_owned()));
        let slugs = HashMap::from([("ada-1".to_owned(), id(1))]);
        let mut own = Profiles::with_holders(Holders { slugs, ..Holders::default() });
        assert_eq!(merge(&mut own, 1, &renamed("Ada")).map(slug), Ok("ada-1".to_owned()));
    }

    #[test]
    fn an_address_is_created_merged_and_removed_and_never_half_there() {
        let mut profiles = Profiles::default();
        let city = AddressMembers { city: Some("Lima".to_owned()), ..AddressMembers::default() };
        let change = |address| Change { address, ..Change::default() };
        let incomplete = merge(&mut profiles, 1, &change(AddressChange::Set(city.clone())));
        assert_eq!(incomplete.err(), Some(Denied::Fields(vec![missing("street_address"), missing("country")])));
        let whole = AddressMembers {
            street_address: Some("1 Oak Avenue".to_owned()),
            state: Some(Some("Callao".to_owned())),
            city: Some("Quito".to_owned()),
            country: Some("Peru".to_owned()),
            postal_code: None,
        };
        for address in [whole, city] {
            assert!(merge(&mut profiles, 1, &change(AddressChange::Set(address))).is_ok());
        }
        let done = merge(&mut profiles, 1, &Change::default()).expect("a merge");
        let address = done.versioned.customer.address.expect("an address");
        assert_eq!((address.city.as_str(), address.state.as_deref()), ("Lima", Some("Callao")));
        let removed = merge(&mut profiles, 1, &change(AddressChange::Remove)).expect("a merge");
        assert!(removed.versioned.customer.address.is_none());
        // There was no address before the batch.
        assert!(profiles.changed().iter().all(|(_, profile)| !profile.address_differs()));
    }
}
