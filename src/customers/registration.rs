//! The body of a registration.

use super::change::{Change, member, whole_address};
use super::queries::NewCustomer;
use crate::body::{Body, FieldCode, FieldErrors, Json, Members, NotMembers, Refusal};
use crate::sessions::password::Password;

/// A new customer and the password to sign in with.
pub(super) struct Registration {
    pub(super) customer: NewCustomer,
    pub(super) password: Password,
}

const REQUIRED: [&str; 4] = ["email", "first_name", "last_name", "password"];

impl Body for Registration {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let mut change = Change::default();
        let (mut password, mut repeated) = (None, None);
        for (name, value) in members.iter() {
            match name {
                "password" => password = errors.keep("#/password", Password::to_set(&value)),
                // An absent repetition may also be sent as null.
                "password2" if matches!(value, Json::Null) => {}
                "password2" => repeated = errors.keep("#/password2", Password::to_verify(&value)),
                _ => member(&mut change, name, &value, errors, whole_address)?,
            }
        }
        members.require("#", &REQUIRED, errors);
        if let Some(password) = &password {
            check_password(password, repeated.as_ref(), &change, errors);
        }
        Ok(change.into_new_customer().zip(password).map(|(customer, password)| Self { customer, password }))
    }
}

/// Judged by whatever else of the body could be read.
fn check_password(password: &Password, repeated: Option<&Password>, change: &Change, errors: &mut FieldErrors) {
    let email = change.email.as_ref().map_or("", |email| email.typed());
    let first_name = change.first_name.as_ref().map_or("", |name| name.text.as_str());
    let last_name = change.last_name.as_ref().map_or("", |name| name.text.as_str());
    if let Err(refusal) = password.check_strength(&[email, first_name, last_name]) {
        errors.add("#/password", refusal);
    }
    if repeated.is_some_and(|repeated| !repeated.equals(password)) {
        errors.add("#/password2", Refusal::new(FieldCode::Mismatch, "Both passwords must be the same."));
    }
}
