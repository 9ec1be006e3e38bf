//! One line of an import.

use std::sync::LazyLock;

use utoipa::openapi::{ObjectBuilder, Schema};

use super::time::{parse_time, parse_time_or_flag};
use crate::customers::change::{Change, NewCustomer, new_profile};
use crate::db::UtcMicros;
use crate::http::{Body, FieldCode, FieldErrors, Json, Member, Rule, Violation};
use crate::ids::{CustomerId, ID_LIMIT};
use crate::passwords::check_importable;

/// One line of an import: a customer in the form of a registration or of an export line.
pub struct ImportLine {
    pub(super) id: Option<CustomerId>,
    pub(super) customer: NewCustomer,
    /// Used if it fits the name and is free.
    pub(super) slug: Option<String>,
    pub(super) password_hash: Option<String>,
    /// Members that are not imported.
    pub(super) ignored: Vec<&'static str>,
}

/// The valid members of a line.
#[derive(Default)]
pub struct ImportDraft {
    change: Change,
    id: Option<CustomerId>,
    slug: Option<String>,
    created_at: Option<UtcMicros>,
    email_verified_at: Option<UtcMicros>,
    disabled_at: Option<UtcMicros>,
    password_hash: Option<String>,
    ignored: Vec<&'static str>,
}

impl AsMut<Change> for ImportDraft {
    fn as_mut(&mut self) -> &mut Change {
        &mut self.change
    }
}

static ID: Rule<CustomerId> = Rule { parse: read_id, schema: any_schema };
static PASSWORD_HASH: Rule<Option<String>> = Rule { parse: read_hash, schema: any_schema };
static TIME_OR_FLAG: Rule<Option<UtcMicros>> = Rule { parse: read_time_or_flag, schema: any_schema };

/// Import lines are not part of the OpenAPI document.
fn any_schema() -> Schema {
    ObjectBuilder::new().build().into()
}

impl Body for ImportLine {
    const NAME: &'static str = "ImportLine";
    const EXAMPLE: &'static str = r#"{"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}"#;
    type Draft = ImportDraft;

    fn members() -> &'static [Member<ImportDraft>] {
        static MEMBERS: LazyLock<Vec<Member<ImportDraft>>> = LazyLock::new(|| {
            // The first of two members with the same name counts.
            own_members().into_iter().chain(new_profile()).collect()
        });
        &MEMBERS
    }

    fn finish(draft: ImportDraft, _: &mut FieldErrors) -> Option<Self> {
        let ImportDraft { change, id, slug, created_at, email_verified_at, disabled_at, password_hash, ignored } =
            draft;
        let customer = NewCustomer { created_at, email_verified_at, disabled_at, ..change.into_new_customer()? };
        Some(Self { id, customer, slug, password_hash, ignored })
    }
}

/// Returns the members that a registration does not have, or ignores.
fn own_members() -> Vec<Member<ImportDraft>> {
    vec![
        Member::new("id", &ID, |draft: &mut ImportDraft, id| draft.id = Some(id)),
        Member::any("slug", |draft, value| draft.slug = present_text(value)),
        Member::nullable("password_hash", &PASSWORD_HASH, |draft, hash| draft.password_hash = hash.flatten()),
        Member::nullable("email_verified", &TIME_OR_FLAG, |draft, time| draft.email_verified_at = time.flatten()),
        Member::nullable("disabled_at", &TIME_OR_FLAG, |draft, time| draft.disabled_at = time.flatten()),
        Member::any("created_at", |draft, value| {
            draft.created_at = present_text(value).and_then(|text| parse_time(&text));
            if draft.created_at.is_none() && !value.is_absent() {
                draft.ignored.push("created_at");
            }
        }),
        Member::any("updated_at", |draft, value| {
            draft.ignored.extend((!value.is_absent()).then_some("updated_at"));
        }),
        Member::any("last_purchase_date", |draft, value| {
            draft.ignored.extend((!value.is_absent()).then_some("last_purchase_date"));
        }),
    ]
}

fn present_text(value: &Json<'_>) -> Option<String> {
    if value.is_absent() { None } else { value.text().ok().map(ToOwned::to_owned) }
}

fn read_id(value: &Json<'_>) -> Result<CustomerId, Violation> {
    let id = match value {
        Json::Number(digits) => CustomerId::parse(digits),
        _ => None,
    };
    id.ok_or_else(|| Violation::out_of_range("An id is a positive integer below 2^53.", 1, ID_LIMIT - 1))
}

/// Reads a hash. In Django, a text that begins with `!` means that the user has no password.
fn read_hash(value: &Json<'_>) -> Result<Option<String>, Violation> {
    let text = value.text()?;
    if text.starts_with('!') {
        return Ok(None);
    }
    match check_importable(text) {
        Ok(()) => Ok(Some(text.to_owned())),
        Err(reason) => Err(Violation::new(FieldCode::Format, reason)),
    }
}

/// Reads a time, or whether something is so: true means now.
fn read_time_or_flag(value: &Json<'_>) -> Result<Option<UtcMicros>, Violation> {
    let parsed = match value {
        Json::Bool(flag) => Some(flag.then(UtcMicros::now)),
        value => parse_time_or_flag(value.text()?),
    };
    parsed.ok_or_else(|| {
        Violation::new(FieldCode::Format, "Use true, false, or a time in the past, such as 2026-01-31T12:00:00Z.")
    })
}
