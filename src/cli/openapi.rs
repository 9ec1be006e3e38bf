//! `clientele openapi`

use super::{Failure, print};
use crate::router;

/// Prints the OpenAPI document that `GET /openapi.json` returns.
pub(super) fn run() -> Result<(), Failure> {
    print(router::document().to_pretty_json().map_err(|error| Failure::Failed(error.to_string()))?)
}
