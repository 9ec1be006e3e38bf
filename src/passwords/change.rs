//! `POST /api/v1/customers/{id}/password/`

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web};

use super::current::{self, Checked};
use super::queries;
use super::value::{ANY_PASSWORD, NEW_PASSWORD, Password};
use crate::app::App;
use crate::customers::Customer;
use crate::events::Event;
use crate::http::{Action, Body, FieldErrors, Member, OwnedCustomer, Problem, ValidJson};

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

/// Changes the password. An error in the new password is reported together with a wrong current one.
pub(crate) async fn change_password(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
    ValidJson(PasswordChange { current, new }): ValidJson<PasswordChange>,
) -> Result<HttpResponse, Problem> {
    let mut errors = FieldErrors::default();
    let mut checked = current::check(&app, &request, &customer, current, &mut errors).await?;
    let Customer { email, first_name, last_name, .. } = checked.profile.clone();
    let known = vec![email, first_name, last_name];
    let fresh = app.passwords.hash_new(checked.client, new, "#/new_password", known, errors).await;
    checked.wait().await;
    let fresh = fresh?;
    let Checked { hash, network, caller, .. } = checked;
    let id = customer.id();
    if app.sends_mail {
        // A change mails a notice, and ends the link of somebody who recovers the account.
        app.throttle.mail(Action::PasswordChange, &id.to_string())?;
    }
    let verified = hash.ok_or(Problem::NotFound)?;
    let change =
        move |connection: &mut _| queries::change_password(connection, &customer, &verified, &fresh, network, &caller);
    let changed = app.database.write(Some(id), change).await;
    if app.sends_mail && !matches!(changed, Ok(Ok(_))) {
        app.throttle.take_mail_back(Action::PasswordChange, &id.to_string());
    }
    let ended = changed??;
    app.metrics.sessions.password_changed.inc_by(ended as u64);
    Event::PasswordChange.record(Some(id), None);
    Ok(HttpResponse::NoContent().finish())
}
