//! All routes, with their access rule, handler and description in the OpenAPI document.

use std::sync::LazyLock;

use actix_web::http::Method;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, Resource, web};
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::customers::routes as customers;
use crate::customers::{Customer, PatchCustomer, PersonalData, PutCustomer, Registration};
use crate::history::routes as history;
use crate::history::{HistoryEntry, PARAMETERS};
use crate::http::endpoint::Endpoint;
use crate::http::health::Health;
use crate::http::jwks::KeySet;
use crate::http::{Action, Problem, docs, health, jwks, openapi};
use crate::metrics::UNMATCHED;
use crate::pages;
use crate::passwords::change as passwords;
use crate::passwords::change::PasswordChange;
use crate::recovery::body::{EmailChange, ForgottenPassword, PasswordReset, UsedLink};
use crate::recovery::email::{self, EmailState};
use crate::recovery::routes as recovery;
use crate::sessions::SessionInfo;
use crate::sessions::body::{Refresh, Revocation, SignIn};
use crate::sessions::routes as sessions;
use crate::sessions::routes::Tokens;

const CUSTOMERS: &str = "/api/v1/customers/";
const CUSTOMER: &str = "/api/v1/customers/{id}/";
const EMAIL: &str = "/api/v1/customers/{id}/email/";
const VERIFICATION: &str = "/api/v1/customers/{id}/email/verification/";
const EXPORT: &str = "/api/v1/customers/{id}/export/";
const HISTORY: &str = "/api/v1/customers/{id}/history/";
const PASSWORD: &str = "/api/v1/customers/{id}/password/";
const SESSIONS: &str = "/api/v1/customers/{id}/sessions/";
const SESSION: &str = "/api/v1/customers/{id}/sessions/{sid}/";

/// Returns the endpoints. Endpoints with the same path must be adjacent.
fn endpoints() -> Vec<Endpoint> {
    use web::to;
    let owner = Endpoint::owner;
    let public = Endpoint::public;
    vec![
        public(Method::POST, CUSTOMERS, "register", "Registers a customer", || to(customers::register))
            .throttled(Action::Registration)
            .uses_database()
            .takes::<Registration>()
            .replies::<Customer>(201, "The new customer.")
            .with_headers(&["Location", "ETag"])
            .problems([Problem::EmailTaken]),
        owner(Method::GET, CUSTOMER, "getCustomer", "Reads the profile", || to(customers::show))
            .conditional(&["If-None-Match"])
            .replies::<Customer>(200, "The customer.")
            .with_headers(&["ETag", "Content-Location"])
            .replies_empty(304, "The client has this version.")
            .with_headers(&["ETag", "Content-Location"]),
        owner(Method::PUT, CUSTOMER, "replaceCustomer", "Changes the profile, the address as one value", || {
            to(customers::replace)
        })
        .describe("Absent members keep their values. The address is replaced as a whole, or created.")
        .conditional(&["If-Match", "If-None-Match"])
        .takes::<PutCustomer>()
        .replies::<Customer>(200, "The customer after the change.")
        .with_headers(&["Content-Location"])
        .problems([Problem::VersionMismatch, Problem::EmailTaken]),
        owner(Method::PATCH, CUSTOMER, "patchCustomer", "Merges a change into the profile (RFC 7396)", || {
            to(customers::patch)
        })
        .describe("The address is merged member by member, and the result must have every required member.")
        .conditional(&["If-Match", "If-None-Match"])
        .takes::<PatchCustomer>()
        .replies::<Customer>(200, "The customer after the change.")
        .with_headers(&["ETag", "Content-Location"])
        .problems([Problem::VersionMismatch, Problem::EmailTaken]),
        owner(Method::DELETE, CUSTOMER, "eraseCustomer", "Erases the customer", || to(customers::erase))
            .describe(
                "Erases the customer with address, sessions, password and history. The email can be registered again.",
            )
            .conditional(&["If-Match"])
            .replies_empty(204, "The customer is erased.")
            .problems([Problem::VersionMismatch]),
        owner(Method::GET, EMAIL, "getEmail", "Reads the email and whether it is verified", || to(email::show))
            .needs_mail()
            .replies::<EmailState>(200, "The email, and a new one that waits to be confirmed."),
        owner(Method::POST, EMAIL, "requestEmailChange", "Requests a change of the email", || {
            to(email::request_change)
        })
        .describe(
            "Mails a link to the new email, valid for 24 hours, and a notice to the current one. The email changes when the \
             link is used. A new request replaces the one before.",
        )
        .needs_mail()
        .throttled(Action::PasswordChange)
        .takes::<EmailChange>()
        .replies_empty(202, "The link is on its way.")
        .problems([Problem::EmailTaken]),
        owner(Method::DELETE, EMAIL, "forgetEmailChange", "Forgets a requested change of the email", || {
            to(email::forget_change)
        })
        .needs_mail()
        .replies_empty(204, "No change is pending."),
        owner(Method::POST, VERIFICATION, "sendVerification", "Mails a new link that verifies the email", || {
            to(email::send_verification)
        })
        .needs_mail()
        .replies_empty(202, "The link is on its way, unless the email is verified already."),
        owner(Method::GET, EXPORT, "exportCustomer", "Exports all data of the customer", || to(customers::export))
            .describe("Password hashes and tokens are not included, because they are secrets.")
            .replies::<PersonalData>(200, "One document."),
        owner(Method::GET, HISTORY, "getHistory", "What happened to the account", || to(history::show))
            .describe(
                "Sign-ins, changes of password and email, and so on. Entries are kept for half a year by default.",
            )
            .queried(&PARAMETERS)
            .replies::<Vec<HistoryEntry>>(
                200,
                "The entries, newest first. For the next page, pass the `id` of the last one as `before`.",
            ),
        owner(Method::POST, PASSWORD, "changePassword", "Changes the password", || to(passwords::change_password))
            .describe("Every other session of the customer ends.")
            .throttled(Action::PasswordChange)
            .takes::<PasswordChange>()
            .replies_empty(204, "The password is changed."),
        owner(Method::GET, SESSIONS, "listSessions", "Lists the sessions", || to(sessions::list))
            .replies::<Vec<SessionInfo>>(200, "The sessions, the newest first."),
        owner(Method::DELETE, SESSIONS, "endSessions", "Ends all sessions", || to(sessions::end_all))
            .replies_empty(204, "All sessions have ended, including that of the token."),
        owner(Method::DELETE, SESSION, "endSession", "Ends a session", || to(sessions::end_one))
            .replies_empty(204, "The session has ended."),
        public(Method::POST, "/auth/token/", "signIn", "Signs in", || to(sessions::sign_in))
            .throttled(Action::SignIn)
            .uses_database()
            .takes::<SignIn>()
            .replies::<Tokens>(200, "The tokens of a new session.")
            .problems([Problem::BadCredentials, Problem::AccountDisabled, Problem::EmailUnverified]),
        public(Method::POST, "/auth/token/refresh/", "refresh", "Renews the tokens", || to(sessions::refresh))
            .describe("A refresh token is valid for one use. For 10 seconds, the previous one gets the same reply.")
            .throttled(Action::Refresh)
            .uses_database()
            .takes::<Refresh>()
            .replies::<Tokens>(200, "New tokens of the session.")
            .problems([Problem::TokenInvalid, Problem::SessionEnded]),
        public(Method::POST, "/auth/token/revoke/", "revoke", "Ends the session of a refresh token", || {
            to(sessions::revoke)
        })
        .describe("Also replies with 200 if the token is invalid (RFC 7009).")
        .uses_database()
        .takes::<Revocation>()
        .replies_empty(200, "The token is not valid any more."),
        public(Method::POST, "/auth/password/forgot/", "forgotPassword", "Mails a link to set a new password", || {
            to(recovery::forgot)
        })
        .describe("The reply and its time are the same whether or not the email has an account. The link is valid for an hour.")
        .needs_mail()
        .throttled(Action::Recovery)
        .uses_database()
        .takes::<ForgottenPassword>()
        .replies_empty(202, "If the email has an account, a link is on its way."),
        public(Method::POST, "/auth/password/reset/", "resetPassword", "Sets a new password by a link", || {
            to(recovery::reset)
        })
        .describe("All sessions end, and the email is verified.")
        .needs_mail()
        .throttled(Action::Link)
        .uses_database()
        .takes::<PasswordReset>()
        .replies_empty(204, "The password is set.")
        .problems([Problem::LinkInvalid]),
        public(Method::POST, "/auth/email/verify/", "verifyEmail", "Verifies an email by a link", || {
            to(recovery::verify)
        })
        .describe("With the link of a requested change, switches to the new email.")
        .needs_mail()
        .throttled(Action::Link)
        .uses_database()
        .takes::<UsedLink>()
        .replies_empty(204, "The email is verified.")
        .problems([Problem::LinkInvalid, Problem::EmailTaken]),
        public(Method::POST, "/auth/email/revert/", "revertEmail", "Reverts a change of the email by a link", || {
            to(recovery::revert)
        })
        .describe(
            "The link is in the notice to the email before the change. All sessions and the password end, and a link to set a \
             new password is mailed.",
        )
        .needs_mail()
        .throttled(Action::Link)
        .uses_database()
        .takes::<UsedLink>()
        .replies_empty(204, "The account has its former email again.")
        .problems([Problem::LinkInvalid, Problem::EmailTaken]),
        public(Method::GET, "/health/live", "live", "Checks that the process is running", || to(health::live))
            .replies::<Health>(200, "The process is running."),
        public(Method::GET, "/health/ready", "ready", "Checks that requests can be served", || to(health::ready))
            .uses_database()
            .replies::<Health>(200, "The database responds, has all migrations and accepts changes."),
        public(Method::GET, "/.well-known/jwks.json", "keys", "Returns the public keys of access tokens", || {
            to(jwks::jwks)
        })
        .replies::<KeySet>(200, "A JWK Set (RFC 7517); empty when tokens are signed with a secret."),
        public(Method::GET, "/openapi.json", "openapi", "Returns this document", || to(show_document))
            .replies::<openapi::AnyObject>(200, "OpenAPI 3.1."),
        public(Method::GET, "/docs/", "docs", "A page to read this document on, and to try it", || to(docs::page))
            .replies_as(200, "text/html", "Swagger UI.")
            .with_headers(&["ETag"])
            .replies_empty(304, "The client has this version.")
            .with_headers(&["ETag"])
            .replies_empty(308, "The page is at the path with the slash.")
            .with_headers(&["Location"]),
        public(Method::GET, "/docs/{file}", "docsFile", "A file that the page loads", || to(docs::asset))
            .replies_as(200, "*/*", "A script, a style sheet or an image.")
            .with_headers(&["ETag"])
            .replies_empty(304, "The client has this version.")
            .with_headers(&["ETag"])
            .problems([Problem::NotFound]),
    ]
}

/// Returns the OpenAPI document of all endpoints.
pub(crate) fn document() -> OpenApi {
    openapi::document(&endpoints())
}

/// The document as JSON. It is made once, because that takes milliseconds.
static DOCUMENT: LazyLock<Result<String, String>> =
    LazyLock::new(|| document().to_pretty_json().map_err(|error| error.to_string()));

async fn show_document() -> Result<HttpResponse, Problem> {
    let json = DOCUMENT.as_ref().map_err(|error| Problem::Internal(error.clone()))?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(json.as_str()))
}

/// Registers the endpoints, without mail only those that need none. Unknown paths get 404, and unknown methods of known
/// paths get 405.
pub(crate) fn configure(app: &App, config: &mut web::ServiceConfig) {
    let mut endpoints = endpoints();
    endpoints.retain(|endpoint| app.sends_mail || !endpoint.needs_mail);
    for same_path in endpoints.chunk_by(|one, next| one.path == next.path) {
        config.service(resource(app, same_path));
    }
    if let Some(pages) = &app.pages {
        config.service(pages::routes::scope(app, pages.clone()));
    }
    config.app_data(app.metrics.http.route(UNMATCHED));
    config.default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::NotFound) }));
}

fn resource(app: &App, same_path: &[Endpoint]) -> Resource {
    let template = same_path.first().map_or("", |endpoint| endpoint.path);
    let path = template.trim_end_matches('/');
    let mut resource = web::resource([path.to_owned(), format!("{path}/")]).app_data(app.metrics.http.route(template));
    for endpoint in same_path {
        resource = resource.route(endpoint.route(endpoint.method.clone(), &app.tokens, &app.throttle));
        if endpoint.method == Method::GET {
            resource = resource.route(endpoint.route(Method::HEAD, &app.tokens, &app.throttle));
        }
    }
    resource
}
