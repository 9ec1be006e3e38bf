//! The bodies of the routes.

use std::sync::LazyLock;

use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Type;

use crate::customers::fields::{EMAIL, Email};
use crate::http::{Body, FieldErrors, Member, Problem, Rule};
use crate::passwords::{ANY_PASSWORD, NEW_PASSWORD, Password};
use crate::tokens::LinkToken;

/// The token of a link. Every text is one; whether it is valid, the database tells. White space around it is dropped, because a
/// copied token may end with some.
static TOKEN: Rule<LinkText> = Rule {
    parse: |json| json.text().map(|token| LinkText(token.trim().to_owned())),
    schema: || ObjectBuilder::new().schema_type(Type::String).examples(["1832068377600012345.w3Xb…"]).build().into(),
};

/// The token of a link, as a client sent it. It implements neither `Debug` nor `Display`.
pub(crate) struct LinkText(String);

impl LinkText {
    /// Splits the token.
    ///
    /// # Errors
    /// [`Problem::LinkInvalid`] for a text that cannot be a token.
    pub(super) fn parse(&self) -> Result<LinkToken, Problem> {
        LinkToken::parse(&self.0).ok_or(Problem::LinkInvalid)
    }
}

/// `POST /auth/password/forgot/`
pub(crate) struct ForgottenPassword {
    pub(super) email: Email,
}

impl Body for ForgottenPassword {
    const NAME: &'static str = "ForgottenPassword";
    const EXAMPLE: &'static str = r#"{"email": "ada@example.com"}"#;
    type Draft = Option<Email>;

    fn members() -> &'static [Member<Option<Email>>] {
        static MEMBERS: LazyLock<[Member<Option<Email>>; 1]> =
            LazyLock::new(|| [Member::new("email", &EMAIL, |draft, email| *draft = Some(email)).required()]);
        &*MEMBERS
    }

    fn finish(email: Option<Email>, _: &mut FieldErrors) -> Option<Self> {
        email.map(|email| Self { email })
    }
}

/// `POST /auth/password/reset/`. The errors of the password are told only to those who have a valid link.
pub(crate) struct PasswordReset {
    pub(super) token: LinkText,
    pub(super) password: Option<Password>,
    pub(super) errors: FieldErrors,
}

/// The token and the new password, if valid.
type ResetDraft = (Option<LinkText>, Option<Password>);

impl Body for PasswordReset {
    const NAME: &'static str = "PasswordReset";
    const EXAMPLE: &'static str = r#"{"token": "1832068377600012345.w3Xb", "new_password": "analytical engine no 1"}"#;
    type Draft = ResetDraft;

    fn members() -> &'static [Member<ResetDraft>] {
        static MEMBERS: LazyLock<[Member<ResetDraft>; 2]> = LazyLock::new(|| {
            [
                Member::new("token", &TOKEN, |draft: &mut ResetDraft, token| draft.0 = Some(token)),
                Member::new("new_password", &NEW_PASSWORD, |draft: &mut ResetDraft, new| draft.1 = Some(new)),
            ]
            .map(Member::required)
        });
        &*MEMBERS
    }

    fn finish((token, password): ResetDraft, errors: &mut FieldErrors) -> Option<Self> {
        token.map(|token| Self { token, password, errors: std::mem::take(errors) })
    }
}

/// `POST /auth/email/verify/` and `POST /auth/email/revert/`
pub(crate) struct UsedLink {
    pub(super) token: LinkText,
}

impl Body for UsedLink {
    const NAME: &'static str = "UsedLink";
    const EXAMPLE: &'static str = r#"{"token": "1832068377600012345.w3Xb"}"#;
    type Draft = Option<LinkText>;

    fn members() -> &'static [Member<Option<LinkText>>] {
        static MEMBERS: LazyLock<[Member<Option<LinkText>>; 1]> =
            LazyLock::new(|| [Member::new("token", &TOKEN, |draft, token| *draft = Some(token)).required()]);
        &*MEMBERS
    }

    fn finish(token: Option<LinkText>, _: &mut FieldErrors) -> Option<Self> {
        token.map(|token| Self { token })
    }
}

/// `POST /api/v1/customers/{id}/email/`
pub(crate) struct EmailChange {
    pub(super) email: Email,
    pub(super) current: Password,
}

/// The new email and the current password, if valid.
type ChangeDraft = (Option<Email>, Option<Password>);

impl Body for EmailChange {
    const NAME: &'static str = "EmailChange";
    const EXAMPLE: &'static str = r#"{"email": "ada@new.example", "current_password": "difference engine no 2"}"#;
    type Draft = ChangeDraft;

    fn members() -> &'static [Member<ChangeDraft>] {
        static MEMBERS: LazyLock<[Member<ChangeDraft>; 2]> = LazyLock::new(|| {
            [
                Member::new("email", &EMAIL, |draft: &mut ChangeDraft, email| draft.0 = Some(email)),
                Member::new("current_password", &ANY_PASSWORD, |draft: &mut ChangeDraft, current| {
                    draft.1 = Some(current);
                }),
            ]
            .map(Member::required)
        });
        &*MEMBERS
    }

    fn finish((email, current): ChangeDraft, _: &mut FieldErrors) -> Option<Self> {
        email.zip(current).map(|(email, current)| Self { email, current })
    }
}
