//! Swagger UI: a page to read the OpenAPI document on, and to try its operations. All of it comes from the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, EntityTag, Header, IfNoneMatch, LOCATION, REFERRER_POLICY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::{Config, serve};

use super::problem::Problem;

const PAGE: &str = "index.html";

/// What the page loads, with the content types. Swagger UI brings more, which is for other ways of building a page.
const ASSETS: [(&str, &str); 7] = [
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
    ("index.css", "text/css; charset=utf-8"),
    ("swagger-initializer.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui-standalone-preset.js", "text/javascript; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
];

/// The icons of Swagger UI's style sheet are `data:` URLs. Its scripts set styles through the DOM, which needs no
/// `unsafe-inline`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file as it is sent.
struct File {
    name: &'static str,
    content_type: &'static str,
    content: Bytes,
    etag: EntityTag,
}

/// The page first. Made once, because the tags are hashes of megabytes.
static FILES: LazyLock<Result<Vec<File>, String>> = LazyLock::new(|| {
    // The validator would send the document's address to another host. The other layout has a field for documents of
    // other hosts, and a logo with an inline style.
    let config = Arc::new(Config::new(["/openapi.json"]).validator_url("none").use_base_layout());
    let page = (PAGE, "text/html; charset=utf-8");
    [page].into_iter().chain(ASSETS).map(|(name, content_type)| load(name, content_type, &config)).collect()
});

fn load(name: &'static str, content_type: &'static str, config: &Arc<Config<'static>>) -> Result<File, String> {
    let file = serve(name, Arc::clone(config)).map_err(|error| error.to_string())?;
    let content = match file.ok_or_else(|| format!("Swagger UI has no {name}"))?.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let etag = EntityTag::new_strong(URL_SAFE_NO_PAD.encode(Sha256::digest(&content)));
    Ok(File { name, content_type, content, etag })
}

/// The names of the files that the page loads.
pub(super) fn assets() -> impl Iterator<Item = &'static str> {
    ASSETS.iter().map(|(name, _)| *name)
}

/// The page. The addresses in it are relative to `/docs/`, so `/docs` leads there.
pub(crate) async fn page(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if request.path().ends_with('/') {
        reply(&request, PAGE)
    } else {
        Ok(HttpResponse::PermanentRedirect().insert_header((LOCATION, "docs/")).finish())
    }
}

/// A file that the page loads.
pub(crate) async fn asset(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    if name.as_str() == PAGE { Err(Problem::NotFound) } else { reply(&request, &name) }
}

fn reply(request: &HttpRequest, name: &str) -> Result<HttpResponse, Problem> {
    let files = FILES.as_ref().map_err(|error| Problem::Internal(error.clone()))?;
    let file = files.iter().find(|file| file.name == name).ok_or(Problem::NotFound)?;
    let is_known = is_known(request, &file.etag);
    let mut reply = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    reply
        // A new version of the service brings other files under the same names: caches ask before they use theirs.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ETAG, file.etag.to_string()))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"));
    Ok(if is_known { reply.finish() } else { reply.content_type(file.content_type).body(file.content.clone()) })
}

/// Whether the client has this version (RFC 9110 §13.1.2). A header that cannot be read says nothing.
fn is_known(request: &HttpRequest, etag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(etag)),
        Err(_) => false,
    }
}
