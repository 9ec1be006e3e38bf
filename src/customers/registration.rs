//! The body of a registration.

use std::sync::LazyLock;

use super::change::{Change, NewCustomer, new_profile};
use crate::http::{Body, FieldCode, FieldErrors, Member, Problem, Violation};
use crate::passwords::{ANY_PASSWORD, Client, NEW_PASSWORD, Password, Passwords};

/// A new customer and a password. The password's strength is not checked yet, because that takes too long for an HTTP
/// thread, so `errors` may not be empty.
pub(crate) struct Registration {
    change: Change,
    password: Option<Password>,
    errors: FieldErrors,
}

/// The valid members of a registration.
#[derive(Default)]
pub(crate) struct Draft {
    change: Change,
    password: Option<Password>,
    repeated: Option<Password>,
}

impl AsMut<Change> for Draft {
    fn as_mut(&mut self) -> &mut Change {
        &mut self.change
    }
}

impl Body for Registration {
    const NAME: &'static str = "Registration";
    const EXAMPLE: &'static str = r#"{
        "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace", "password": "difference engine no 2"
    }"#;
    type Draft = Draft;

    fn members() -> &'static [Member<Draft>] {
        static MEMBERS: LazyLock<Vec<Member<Draft>>> = LazyLock::new(|| {
            let password = [
                Member::new("password", &NEW_PASSWORD, |draft: &mut Draft, password| draft.password = Some(password))
                    .required(),
                Member::or_null("password2", &ANY_PASSWORD, |draft: &mut Draft, repeated| {
                    draft.repeated = Some(repeated)
                }),
            ];
            new_profile::<Draft>().chain(password).collect()
        });
        &MEMBERS
    }

    fn finish(Draft { change, password, repeated }: Draft, errors: &mut FieldErrors) -> Option<Self> {
        if password.as_ref().zip(repeated).is_some_and(|(password, repeated)| !repeated.equals(password)) {
            errors.add("#/password2", Violation::new(FieldCode::Mismatch, "Both passwords must be the same."));
        }
        Some(Self { change, password, errors: std::mem::take(errors) })
    }
}

impl Registration {
    /// Checks the password's strength, considering the other members, and hashes it. Returns the customer and the hash.
    ///
    /// # Errors
    /// 422 with every field error of the body, or 503 when too many passwords are waiting.
    pub(super) async fn check_and_hash(self, passwords: &Passwords) -> Result<(NewCustomer, String), Problem> {
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
