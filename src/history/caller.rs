//! Who caused an event: what the history stores about it, and the language of the mails about it.

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;

use crate::http::{ClientNetwork, Language};

/// The most characters of a user agent that are stored.
const LONGEST_USER_AGENT: usize = 255;

/// Who caused an event: a client, or the operator.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    network: Option<ClientNetwork>,
    user_agent: Option<String>,
    actor: Option<String>,
    language: Option<Language>,
}

impl Caller {
    /// Returns the client of a request. No mail is sent about what it causes; see [`Self::with_mail`].
    pub(crate) fn client(network: ClientNetwork, request: &HttpRequest) -> Self {
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        let user_agent = user_agent.map(|text| text.chars().take(LONGEST_USER_AGENT).collect());
        Self { network: Some(network), user_agent, ..Self::default() }
    }

    /// Returns the operator on the command line, with the name given by `--by`.
    pub(crate) fn operator(actor: Option<String>) -> Self {
        Self { actor, ..Self::default() }
    }

    /// Sends mails about what this caller causes, in a language.
    pub(crate) fn with_mail(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }

    /// Returns the language of the mails about what this caller causes. `None` if no mail is sent.
    pub(crate) fn language(&self) -> Option<Language> {
        self.language
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
