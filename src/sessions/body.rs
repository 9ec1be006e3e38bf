//! The bodies of the token endpoints.

use std::sync::LazyLock;

use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Type;

use crate::customers::fields::{EMAIL, Email};
use crate::http::{Body, FieldErrors, Member, Rule};
use crate::passwords::{ANY_PASSWORD, Password};

/// `POST /auth/token/`
pub(crate) struct SignIn {
    pub(crate) email: Email,
    pub(crate) password: Password,
}

/// The email and the password, if valid.
type SignInDraft = (Option<Email>, Option<Password>);

impl Body for SignIn {
    const NAME: &'static str = "SignIn";
    const EXAMPLE: &'static str = r#"{"email": "ada@example.com", "password": "difference engine no 2"}"#;
    type Draft = SignInDraft;

    fn members() -> &'static [Member<SignInDraft>] {
        static MEMBERS: LazyLock<[Member<SignInDraft>; 2]> = LazyLock::new(|| {
            [
                Member::new("email", &EMAIL, |draft: &mut SignInDraft, email| draft.0 = Some(email)),
                Member::new("password", &ANY_PASSWORD, |draft: &mut SignInDraft, password| draft.1 = Some(password)),
            ]
            .map(Member::required)
        });
        &*MEMBERS
    }

    fn finish((email, password): SignInDraft, _: &mut FieldErrors) -> Option<Self> {
        email.zip(password).map(|(email, password)| Self { email, password })
    }
}

/// A refresh token. White space around it is dropped, because a copied token or one read from a file may end with some.
static TOKEN: Rule<String> = Rule {
    parse: |json| json.text().map(|token| token.trim().to_owned()),
    schema: || ObjectBuilder::new().schema_type(Type::String).examples(["5126….0.w3Xb…"]).build().into(),
};

/// `POST /auth/token/refresh/`
pub(crate) struct Refresh {
    pub(crate) refresh: String,
}

impl Body for Refresh {
    const NAME: &'static str = "Refresh";
    const EXAMPLE: &'static str = r#"{"refresh": "5126384.0.w3Xb"}"#;
    type Draft = Option<String>;

    fn members() -> &'static [Member<Option<String>>] {
        static MEMBERS: LazyLock<[Member<Option<String>>; 1]> =
            LazyLock::new(|| [Member::new("refresh", &TOKEN, |draft, token| *draft = Some(token)).required()]);
        &*MEMBERS
    }

    fn finish(refresh: Option<String>, _: &mut FieldErrors) -> Option<Self> {
        refresh.map(|refresh| Self { refresh })
    }
}

/// `POST /auth/token/revoke/`. Accepts every JSON object, and the reply is always the same. It is not throttled.
pub(crate) struct Revocation {
    pub(crate) refresh: Option<String>,
}

impl Body for Revocation {
    const NAME: &'static str = "Revocation";
    const EXAMPLE: &'static str = r#"{"refresh": "5126384.0.w3Xb"}"#;
    const OPEN: bool = true;
    type Draft = Option<String>;

    fn members() -> &'static [Member<Option<String>>] {
        static MEMBERS: LazyLock<[Member<Option<String>>; 1]> = LazyLock::new(|| {
            [Member::any("refresh", |draft: &mut Option<String>, json| *draft = (TOKEN.parse)(json).ok())]
        });
        &*MEMBERS
    }

    fn finish(refresh: Option<String>, errors: &mut FieldErrors) -> Option<Self> {
        *errors = FieldErrors::default();
        Some(Self { refresh })
    }
}
