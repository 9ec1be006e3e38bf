//! HTTP concerns that all endpoints share.
//!
//! From the socket up: `deadlines` bounds each connection in time and memory, `respond` gives every reply its request
//! id, headers and log line, and every error its `problem` body. `cors` admits pages of other origins, `guard` lets an
//! account's owner through (by a bearer token, or on the account pages by a `cookie`), `throttle` slows guessing and
//! floods, `body` reads and validates JSON, `conditional` reads preconditions.

pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod conditional;
mod connection;
pub(crate) mod cookie;
mod cors;
mod deadlines;
mod denied;
pub(crate) mod docs;
pub(crate) mod endpoint;
mod field_errors;
pub(crate) mod guard;
pub(crate) mod health;
mod json;
pub(crate) mod jwks;
mod language;
mod last_reply;
mod members;
pub(crate) mod metrics;
pub(crate) mod openapi;
mod problem;
mod request_body;
pub(crate) mod respond;
mod short_stream;
pub(crate) mod throttle;

pub use self::body::{Body, ValidJson};
pub use self::connection::Timeouts;
pub use self::cors::{cors, finish_cors};
pub use self::deadlines::{Deadlines, Stop};
pub use self::denied::Denied;
pub use self::field_errors::{FieldCode, FieldError, FieldErrors, Params, Violation, pointer};
pub use self::guard::{Operator, OwnedCustomer};
pub use self::json::{Json, JsonError, JsonObject};
pub use self::language::Language;
pub use self::members::{Member, Rule};
pub use self::problem::Problem;
pub use self::request_body::LONGEST_BODY;
pub use self::throttle::{Action, ClientAddress, ClientNetwork, Exceeded, Throttle};
