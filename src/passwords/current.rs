//! Checks the current password, for changes that need it in addition to a token.

use actix_web::HttpRequest;

use super::queries::{self, Account};
use super::threads::{Client, Wrong};
use super::value::Password;
use crate::app::App;
use crate::customers::Customer;
use crate::events::Event;
use crate::history::Caller;
use crate::http::{Action, ClientNetwork, FieldCode, FieldErrors, OwnedCustomer, Problem, Violation};

/// What the check of a current password found.
pub(crate) struct Checked {
    /// The profile of the customer.
    pub(crate) profile: Customer,
    /// The stored hash.
    pub(crate) hash: Option<String>,
    /// The network of the client.
    pub(crate) network: ClientNetwork,
    /// Who asks.
    pub(crate) caller: Caller,
    /// Whether the network has signed in to the account before.
    pub(crate) client: Client,
    wrong: Option<Wrong>,
}

/// Checks the current password of a customer whose session is alive. A wrong one is a field error (422), like an error
/// in another member, and not a 401; it counts as a guess.
///
/// # Errors
/// 401 or 404 without such a customer, 429 after too many guesses, 503 if too many passwords are waiting.
pub(crate) async fn check(
    app: &App,
    request: &HttpRequest,
    customer: &OwnedCustomer,
    current: Password,
    errors: &mut FieldErrors,
) -> Result<Checked, Problem> {
    let network = app.throttle.client(request)?.network();
    let owner = customer.clone();
    let account = app.database.read(Some(customer.id()), move |connection| queries::account(connection, &owner));
    let Account { profile, hash, networks } = account.await??;
    let known = networks.contain(network);
    let guess = app.throttle.guess(Action::PasswordChange, &customer.id().to_string(), network, known)?;
    let client = Client::from_known_network(known);
    let wrong = match app.passwords.verify(client, current, hash.clone()).await {
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
    Ok(Checked { profile, hash, network, caller: app.caller_in(network, request), client, wrong })
}

impl Checked {
    /// Waits until the reply to a wrong password may be sent.
    pub(crate) async fn wait(&mut self) {
        if let Some(wrong) = self.wrong.take() {
            wrong.wait().await;
        }
    }
}
