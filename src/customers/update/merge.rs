//! The merge of changes with the rows that are stored: pure, in memory, one change after the other.

use std::collections::HashMap;

use super::{Done, Update};
use crate::customers::change::{AddressChange, Change};
use crate::customers::model::Versioned;
use crate::customers::slug;
use crate::customers::stored::{AddressRow, CustomerRow, Stored};
use crate::denied::Denied;

/// Who holds which email and slug, as far as that is known: a customer's id, by the canonical email or the slug.
/// What is not known counts as free. The unique indexes have the last word.
#[derive(Default)]
pub(in crate::customers) struct Holders {
    pub(in crate::customers) emails: HashMap<String, i64>,
    pub(in crate::customers) slugs: HashMap<String, i64>,
    /// Slugs with a random suffix that were looked up, for whom the plain one is not free. Of a name with 100,000 holders
    /// one suffix in 300 is taken, which would be one full batch of renames in three.
    pub(in crate::customers) drawn: Vec<String>,
}

/// Emails and slugs that changes would take.
#[derive(Default)]
pub(in crate::customers) struct Wishes {
    pub(in crate::customers) emails: Vec<String>,
    pub(in crate::customers) slugs: Vec<String>,
}

/// A customer in the course of a batch.
pub(super) struct Profile {
    /// As the changes so far leave it.
    pub(super) now: Stored,
    before: Stored,
}

impl Profile {
    /// Whether a column with a unique index is to be written.
    pub(super) fn unique_differs(&self) -> bool {
        let (now, before) = (&self.now.customer, &self.before.customer);
        now.email_canonical != before.email_canonical || now.slug != before.slug
    }

    /// Whether the address is to be written, or to be removed where there is none now.
    pub(super) fn address_differs(&self) -> bool {
        self.now.address != self.before.address
    }
}

/// The customers of a batch that changed, each once.
#[derive(Default)]
pub(super) struct Profiles {
    holders: Holders,
    by_id: HashMap<i64, Profile>,
    wishes: Wishes,
}

impl Profiles {
    pub(super) fn with_holders(holders: Holders) -> Self {
        Self { holders, ..Self::default() }
    }

    /// The emails and slugs that the merges so far took, if they took any.
    pub(super) fn take_wishes(&mut self) -> Option<Wishes> {
        let wishes = std::mem::take(&mut self.wishes);
        (!wishes.emails.is_empty() || !wishes.slugs.is_empty()).then_some(wishes)
    }

    /// The customers that are to be written.
    pub(super) fn changed(&self) -> Vec<(i64, &Profile)> {
        self.by_id.iter().map(|(id, profile)| (*id, profile)).collect()
    }

    /// Merges a change with its customer, who is as `stored` unless an earlier change of this batch said otherwise. A
    /// change that is denied leaves the customer as it was.
    pub(super) fn merge(&mut self, update: &Update, stored: &Stored) -> Result<Done, Denied> {
        let id = update.customer.id().get();
        let current = self.by_id.get(&id).map_or(stored, |profile| &profile.now);
        let mut next = Stored {
            version: current.version,
            customer: merged_customer(&current.customer, &update.change),
            address: merged_address(current.address.as_ref(), &update.change.address)?,
        };
        if update.expected.as_ref().is_some_and(|versions| !versions.contains(&current.version)) {
            return Err(Denied::VersionMismatch);
        }
        let email_changed = next.customer.email != current.customer.email;
        if next.customer.email_canonical != current.customer.email_canonical {
            self.wishes.emails.push(next.customer.email_canonical.clone());
            if is_held(&self.holders.emails, &next.customer.email_canonical, id) {
                return Err(Denied::EmailTaken);
            }
        }
        if next.customer.slug_form() != current.customer.slug_form() {
            next.customer.slug = free_slug(&next.customer, id, &mut self.holders, &mut self.wishes.slugs);
        }
        if next != *current {
            next.version += 1;
            self.take(id, &next, stored);
        }
        Ok(Done { versioned: Box::new(Versioned::from(next)), email_changed })
    }

    fn take(&mut self, id: i64, next: &Stored, stored: &Stored) {
        self.holders.emails.insert(next.customer.email_canonical.clone(), id);
        self.holders.slugs.insert(next.customer.slug.clone(), id);
        let profile = self.by_id.entry(id);
        profile.or_insert_with(|| Profile { now: stored.clone(), before: stored.clone() }).now = next.clone();
    }
}

fn is_held(holders: &HashMap<String, i64>, name: &str, by_other_than: i64) -> bool {
    holders.get(name).is_some_and(|holder| *holder != by_other_than)
}

/// A name or an email that is stored already keeps its slug and its canonical form, though they might be written
/// otherwise today.
fn merged_customer(current: &CustomerRow, change: &Change) -> CustomerRow {
    let mut next = current.clone();
    if let Some(email) = change.email.as_ref().filter(|email| email.typed() != current.email) {
        next.set_email(email);
    }
    if let Some(name) = change.first_name.as_ref().filter(|name| name.text != current.first_name) {
        next.set_first_name(name);
    }
    if let Some(name) = change.last_name.as_ref().filter(|name| name.text != current.last_name) {
        next.set_last_name(name);
    }
    if let Some(date) = change.date_of_birth {
        next.date_of_birth = date;
    }
    next
}

fn merged_address(current: Option<&AddressRow>, change: &AddressChange) -> Result<Option<AddressRow>, Denied> {
    match change {
        AddressChange::Keep => Ok(current.cloned()),
        AddressChange::Remove => Ok(None),
        AddressChange::Set(members) => {
            AddressRow::merged(current, members).map(Some).map_err(Denied::AddressIncomplete)
        }
    }
}

/// The plain slug where nobody else holds it, else one with a random suffix.
fn free_slug(row: &CustomerRow, id: i64, holders: &mut Holders, wishes: &mut Vec<String>) -> String {
    let form = row.slug_form();
    let is_free = |slug: &str| !is_held(&holders.slugs, slug, id);
    let suffixed = || slug::suffixed(&form, &slug::random_suffix());
    if is_free(&form) {
        wishes.extend([form.clone(), suffixed(), suffixed()]);
        return form;
    }
    let drawn = holders.drawn.iter().position(|drawn| slug::is_of_form(drawn, &form) && is_free(drawn));
    drawn.map_or_else(suffixed, |place| holders.drawn.swap_remove(place))
}
