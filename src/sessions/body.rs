//! The bodies of the token and password endpoints, checked.

use crate::customers::Email;
use crate::http::{Body, FieldErrors, JsonError, Members};
use crate::passwords::Password;

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

impl Body for SignIn {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, JsonError> {
        let (mut email, mut password) = (None, None);
        members.read_all(errors, &["email", "password"], |name, value, errors| match name {
            "email" => email = errors.keep("#/email", value.text().and_then(Email::parse)),
            _ => password = errors.keep("#/password", Password::to_verify(value)),
        });
        Ok(email.zip(password).map(|(email, password)| Self { email, password }))
    }
}

impl Body for Refresh {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, JsonError> {
        let mut refresh = None;
        members.read_all(errors, &["refresh"], |_, value, errors| {
            refresh = errors.keep("#/refresh", value.text().map(trimmed));
        });
        Ok(refresh.map(|refresh| Self { refresh }))
    }
}

impl Body for Revocation {
    fn from_members(members: &Members<'_>, _: &mut FieldErrors) -> Result<Option<Self>, JsonError> {
        let refresh = members.iter().find(|(name, _)| *name == "refresh");
        Ok(Some(Self { refresh: refresh.and_then(|(_, value)| value.text().ok().map(trimmed)) }))
    }
}

/// A token holds no white space; what was copied or read from a file may end with some.
fn trimmed(token: &str) -> String {
    token.trim().to_owned()
}
