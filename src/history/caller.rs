//! What the history stores about who caused an event.

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;

use crate::http::ClientNetwork;

/// The most characters of a user agent that are stored.
const LONGEST_USER_AGENT: usize = 255;

/// Who caused an event: a client, or the operator.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    network: Option<ClientNetwork>,
    user_agent: Option<String>,
    actor: Option<String>,
}

impl Caller {
    /// Returns the client of a request.
    pub(crate) fn client(network: ClientNetwork, request: &HttpRequest) -> Self {
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        let user_agent = user_agent.map(|text| text.chars().take(LONGEST_USER_AGENT).collect());
        Self { network: Some(network), user_agent, actor: None }
    }

    /// Returns the operator on the command line, with the name given by `--by`.
    pub(crate) fn operator(actor: Option<String>) -> Self {
        Self { actor, ..Self::default() }
    }

    /// Returns the client's network.
    pub(super) fn network(&self) -> Option<String> {
        self.network.map(|network| network.to_string())
    }

    /// Returns the client's user agent.
    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// Returns the name given by `--by`.
    pub(super) fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }
}
