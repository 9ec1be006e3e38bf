//! The body of a registration.

use super::change::{Change, NewCustomer, member, whole_address};
use crate::http::{Body, FieldCode, FieldErrors, Json, JsonError, Members, Problem, Violation};
use crate::passwords::{Client, Password, Passwords};

/// A new customer and the password to sign in with: checked but for the password's strength, which takes too long for
/// an HTTP thread. Until then there may be errors.
pub(crate) struct Registration {
    change: Change,
    password: Option<Password>,
    errors: FieldErrors,
}

const REQUIRED: [&str; 4] = ["email", "first_name", "last_name", "password"];

impl Body for Registration {
    fn from_members(members: &Members<'_>, errors: &mut FieldErrors) -> Result<Option<Self>, JsonError> {
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
        if password.as_ref().zip(repeated).is_some_and(|(password, repeated)| !repeated.equals(password)) {
            errors.add("#/password2", Violation::new(FieldCode::Mismatch, "Both passwords must be the same."));
        }
        Ok(Some(Self { change, password, errors: std::mem::take(errors) }))
    }
}

impl Registration {
    /// The new customer and the password's hash, once the password is judged beside whatever else could be read.
    ///
    /// # Errors
    /// 422 with every field error of the body, or 503 when too many passwords wait.
    pub(super) async fn judge(self, passwords: &Passwords) -> Result<(NewCustomer, String), Problem> {
        let Self { change, password, errors } = self;
        let Some(password) = password else {
            return Err(errors.into());
        };
        let known = [
            change.email.as_ref().map(|email| email.typed().to_owned()),
            change.first_name.as_ref().map(|name| name.text.clone()),
            change.last_name.as_ref().map(|name| name.text.clone()),
        ];
        let known = known.into_iter().flatten().collect();
        let hash = passwords.hash_new(Client::Stranger, password, "#/password", known, errors).await?;
        let customer =
            change.into_new_customer().ok_or_else(|| Problem::Internal("a registration lacks members".into()))?;
        Ok((customer, hash))
    }
}
