//! `/.well-known/jwks.json`

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;

/// A JWK Set (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes the JSON of the reply")]
pub(crate) struct KeySet {
    keys: Vec<Map<String, Value>>,
}

/// Replies with the public keys of access tokens. Caches may keep the reply for five minutes.
pub(crate) async fn jwks(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(app.tokens.jwks())
}
