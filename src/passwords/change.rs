//! `POST /api/v1/customers/{id}/password/`

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web};

use super::queries;
use super::threads::Client;
use super::value::{ANY_PASSWORD, NEW_PASSWORD, Password};
use crate::app::App;
use crate::events::Event;
use crate::http::{Action, Body, FieldCode, FieldErrors, Member, OwnedCustomer, Problem, ValidJson, Violation};

/// The body of a password change.
pub(crate) struct PasswordChange {
    pub(crate) current: Password,
    pub(crate) new: Password,
}

/// The current and the new password, if valid.
type Draft = (Option<Password>, Option<Password>);

impl Body for PasswordChange {
    const NAME: &'static str = "PasswordChange";
    const EXAMPLE: &'static str = r#"{
        "current_password": "difference engine no 2", "new_password": "analytical engine no 1"
    }"#;
    type Draft = Draft;

    fn members() -> &'static [Member<Draft>] {
        static MEMBERS: LazyLock<[Member<Draft>; 2]> = LazyLock::new(|| {
            [
                Member::new("current_password", &ANY_PASSWORD, |draft: &mut Draft, current| draft.0 = Some(current)),
                Member::new("new_password", &NEW_PASSWORD, |draft: &mut Draft, new| draft.1 = Some(new)),
            ]
            .map(Member::required)
        });
        &*MEMBERS
    }

    fn finish((current, new): Draft, _: &mut FieldErrors) -> Option<Self> {
        current.zip(new).map(|(current, new)| Self { current, new })
    }
}

/// Changes the password. A wrong current password is a field error (422), like an error in the new one, and not a 401.
pub(crate) async fn change_password(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
    ValidJson(PasswordChange { current, new }): ValidJson<PasswordChange>,
) -> Result<HttpResponse, Problem> {
    let client = app.throttle.client(&request)?;
    let owner = customer.clone();
    let account =
        app.database.read(Some(customer.id()), move |connection| queries::account(connection, &owner)).await??;
    let known = account.networks.contain(client.network());
    let guess = app.throttle.guess(Action::PasswordChange, &customer.id().to_string(), client.network(), known)?;
    let mut errors = FieldErrors::default();
    let requester = Client::from_known_network(known);
    let wrong = match app.passwords.verify(requester, current, account.hash.clone()).await {
        Ok(Ok(_)) => {
            guess.take_back();
            None
        }
        Ok(Err(wrong)) => {
            Event::PasswordChangeFailed.record(Some(customer.id()), customer.session());
            errors.add("#/current_password", Violation::new(FieldCode::Incorrect, "This is not the current password."));
            Some(wrong)
        }
        Err(problem) => {
            guess.take_back();
            return Err(problem);
        }
    };
    let known = vec![account.profile.email, account.profile.first_name, account.profile.last_name];
    let fresh = app.passwords.hash_new(requester, new, "#/new_password", known, errors).await;
    if let Some(wrong) = wrong {
        wrong.wait().await;
    }
    let fresh = fresh?;
    let network = client.network();
    let caller = app.caller_in(network, &request);
    let id = customer.id();
    let verified = account.hash.ok_or(Problem::NotFound)?;
    let ended = app
        .database
        .write(Some(id), move |connection| {
            queries::change_password(connection, &customer, &verified, &fresh, network, &caller)
        })
        .await??;
    app.metrics.sessions.password_changed.inc_by(ended as u64);
    Event::PasswordChange.record(Some(id), None);
    Ok(HttpResponse::NoContent().finish())
}
