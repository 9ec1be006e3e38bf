//! The bodies of the token and password endpoints, checked.

use super::password::Password;
use crate::body::{Body, FieldCode, FieldErrors, Json, Members, NotMembers, Refusal, pointer};
use crate::customers::Email;
use crate::throttle::Action;

/// `POST /auth/token/`
pub(crate) struct SignIn {
    pub(crate) email: Email,
    pub(crate) password: Password,
}

/// `POST /auth/token/revoke/`: whatever it holds, the answer is the same. Ending a session is never throttled.
pub(crate) struct Revocation {
    pub(crate) refresh: Option<String>,
}

/// `POST /auth/token/refresh/`
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
    const THROTTLED: Option<Action> = Some(Action::SignIn);

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
    const THROTTLED: Option<Action> = Some(Action::Refresh);

    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let mut refresh = None;
        read_all(members, errors, &["refresh"], |_, value, errors| {
            refresh = errors.keep("#/refresh", value.text().map(trimmed));
        });
        Ok(refresh.map(|refresh| Self { refresh }))
    }
}

impl Body for Revocation {
    fn from_members(members: &Members<'_>, _: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let refresh = members.iter().find(|(name, _)| *name == "refresh");
        Ok(Some(Self { refresh: refresh.and_then(|(_, value)| value.text().ok().map(trimmed)) }))
    }
}

/// A token holds no white space; what was copied or read from a file may end with some.
fn trimmed(token: &str) -> String {
    token.trim().to_owned()
}

impl Body for PasswordChange {
    const THROTTLED: Option<Action> = Some(Action::PasswordChange);

    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, NotMembers> {
        let (mut current, mut new) = (None, None);
        read_all(members, errors, &["current_password", "new_password"], |name, value, errors| match name {
            "current_password" => current = errors.keep("#/current_password", Password::to_verify(value)),
            _ => new = errors.keep("#/new_password", Password::to_set(value)),
        });
        Ok(current.zip(new).map(|(current, new)| Self { current, new }))
    }
}
