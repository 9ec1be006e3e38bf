//! The query parameters `limit` and `before`, which select a page of the history.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use url::form_urlencoded;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Type;

use crate::http::endpoint::QueryParameter;
use crate::http::{FieldCode, FieldErrors, Problem, Violation};
use crate::ids::EntryId;

/// The default number of entries on a page.
pub(crate) const LIMIT: i64 = 50;
/// The most entries on a page.
pub(crate) const LONGEST: i64 = 200;

/// The documentation of the parameters.
pub(crate) static PARAMETERS: [QueryParameter; 2] = [
    QueryParameter {
        name: "limit",
        description: "The most entries to return.",
        schema: || {
            let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(LONGEST));
            number.default(Some(LIMIT.into())).build().into()
        },
        example: || 20.into(),
    },
    QueryParameter {
        name: "before",
        description: "The `id` of an entry. Only older entries are returned.",
        schema: || ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[1-9][0-9]{0,18}$")).build().into(),
        example: || "1832068377600012345".into(),
    },
];

/// A page of a history.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) limit: i64,
    pub(crate) before: Option<EntryId>,
}

impl Page {
    /// Parses a query. Unknown and repeated parameters are errors, like those of a body's members.
    fn parse(query: &str) -> Result<Self, FieldErrors> {
        let (mut limit, mut before, mut errors) = (None, None, FieldErrors::default());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let error = match name.as_ref() {
                "limit" if limit.is_none() => {
                    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                    limit = value.parse().ok().filter(|limit| digits && (1..=LONGEST).contains(limit));
                    limit.is_none().then(|| Violation::out_of_range("This must be a number from 1 to 200.", 1, LONGEST))
                }
                "before" if before.is_none() => {
                    before = EntryId::parse(&value);
                    before.is_none().then(|| Violation::new(FieldCode::Format, "This must be the id of an entry."))
                }
                "limit" | "before" => Some(Violation::new(FieldCode::Format, "This may be given once.")),
                _ => Some(Violation::new(FieldCode::UnknownField, "There is no such parameter.")),
            };
            if let Some(error) = error {
                errors.add(crate::http::pointer("#", &name), error);
            }
        }
        if errors.is_empty() { Ok(Self { limit: limit.unwrap_or(LIMIT), before }) } else { Err(errors) }
    }
}

impl FromRequest for Page {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()).map_err(Problem::from))
    }
}
