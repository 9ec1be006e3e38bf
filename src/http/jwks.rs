//! `/.well-known/jwks.json`

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};

use crate::app::App;

/// The public keys of access tokens; caches may keep them for five minutes.
pub(crate) async fn jwks(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(app.tokens.jwks())
}
