//! The bodies of the token and password endpoints, checked.

use super::password::Password;
use crate::body::{Body, FieldCode, FieldErrors, Json, Members, NotMembers, Refusal, pointer};
use crate::customers::Email;

/// `POST /auth/token/`
pub(crate) struct SignIn {
    pub(crate) email: Email,
    pub(crate) password: Password,
}

/// `POST /auth/token/refresh/` and `…/revoke/`
pub(crate) struct Refresh {
    pub(crate) refresh: String,
}

/// `POST /api/v1/customers/{id}/password/`
pub(crate) struct PasswordChange {
    pub(crate) current: Password,
    pub(crate) new: Password,
}

/// Reads each of `names` by its function; absent ones and unknown ones are noted.
fn read_all(
    members: &Members<'_>,
    errors: &mut FieldErrors,
    names: &[&str],
    mut read: impl FnMut(&str, &Json<'_>, &mut FieldErrors),
) {
    for (name, value) in members.iter() {
        if names.contains(&name) {
            read(name, &value, errors);
        } else {
            errors.add(pointer("#", name), Refusal::new(FieldCode::UnknownField, "There is no such member."));
        }
    }
    members.require("#", names, errors);
}

impl Body for SignIn {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let (mut email, mut password) = (None, None);
        read_all(members, errors, &["email", "password"], |name, value, errors| match name {
            "email" => email = errors.keep("#/email", value.text().and_then(Email::parse)),
            _ => password = errors.keep("#/password", Password::to_verify(value)),
        });
        Ok(email.zip(password).map(|(email, password)| Self { email, password }))
    }
}

impl Body for Refresh {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let mut refresh = None;
        read_all(members, errors, &["refresh"], |_, value, errors| {
            refresh = errors.keep("#/refresh", value.text().map(ToOwned::to_owned));
        });
        Ok(refresh.map(|refresh| Self { refresh }))
    }
}

impl Body for PasswordChange {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let (mut current, mut new) = (None, None);
        read_all(members, errors, &["current_password", "new_password"], |name, value, errors| match name {
            "current_password" => current = errors.keep("#/current_password", Password::to_verify(value)),
            _ => new = errors.keep("#/new_password", Password::to_set(value)),
        });
        Ok(current.zip(new).map(|(current, new)| Self { current, new }))
    }
}
