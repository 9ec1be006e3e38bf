//! `/auth/token/…` and `/api/v1/customers/{id}/sessions/…`

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{Refresh, Revocation, SignIn};
use super::model::{Session, SessionInfo};
use super::queries::{self, Ending, Rotation};
use crate::app::App;
use crate::db::UtcMicros;
use crate::events::Event;
use crate::history::Caller;
use crate::http::{Action, Denied, OwnedCustomer, Problem, ValidJson};
use crate::ids::{CustomerId, SessionId};
use crate::passwords::{Client, Verified};
use crate::tokens::{Principal, RefreshClaims};

/// The reply to a sign-in and to a refresh.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// For the header `Authorization: Bearer …`.
    access: String,
    /// For the next refresh.
    #[schema(pattern = r"^[0-9]+\.[0-9]+\.[A-Za-z0-9_-]+$")]
    refresh: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// The lifetime of the access token, in seconds.
    #[schema(minimum = 1, example = 900)]
    expires_in: u64,
}

/// Builds the reply with both tokens of a session. The access token never outlives the session.
fn reply(app: &App, principal: Principal, claims: RefreshClaims, ends_at: UtcMicros) -> Result<HttpResponse, Problem> {
    let left = ends_at.naive().and_utc() - Utc::now();
    let lifetime = app.tokens.lifetime().min(Duration::from_secs(left.num_seconds().max(1).unsigned_abs()));
    let access = app.tokens.issue(principal, lifetime).map_err(|error| Problem::Internal(error.to_string()))?;
    let refresh = app.refresh_tokens.derive(claims);
    Ok(HttpResponse::Ok().json(Tokens { access, refresh, token_type: "Bearer", expires_in: lifetime.as_secs() }))
}

pub(crate) async fn sign_in(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(body): ValidJson<SignIn>,
) -> Result<HttpResponse, Problem> {
    let Begun { customer, session, ends_at } = begin(&app, &request, body).await?;
    reply(&app, Principal { customer, session: Some(session) }, RefreshClaims { session, counter: 0 }, ends_at)
}

/// A session that began.
pub(crate) struct Begun {
    pub(crate) customer: CustomerId,
    pub(crate) session: SessionId,
    ends_at: UtcMicros,
}

/// Signs in. An unknown email costs the same work as a wrong password and gets the same reply.
pub(crate) async fn begin(
    app: &App,
    request: &HttpRequest,
    SignIn { email, password }: SignIn,
) -> Result<Begun, Problem> {
    let client = app.throttle.client(request)?;
    let caller = app.caller_in(client.network(), request);
    let canonical = email.canonical().to_owned();
    let wanted = email.clone();
    let found = app.database.read(None, move |connection| queries::credentials(connection, &wanted)).await?;
    let known = found.as_ref().is_some_and(|found| found.networks.contain(client.network()));
    let guess = app.throttle.guess(Action::SignIn, &canonical, client.network(), known)?;
    let customer = found.as_ref().map(|found| found.customer);
    let mut stored = found.and_then(|found| found.hash);
    let requester = Client::from_known_network(known);
    let (id, network) = (SessionId::generate(), client.network());
    let mut may_verify_again = true;
    let (customer, ends_at) = loop {
        let verified = match app.passwords.verify(requester, password.clone(), stored.clone()).await {
            Ok(verified) => verified,
            Err(problem) => {
                guess.take_back();
                return Err(problem);
            }
        };
        let fresh = match verified {
            Ok(Verified { fresh }) => fresh,
            Err(wrong) => {
                fail(app, customer, &caller).await;
                wrong.wait().await;
                return Err(Problem::BadCredentials);
            }
        };
        let (Some(customer), Some(hash)) = (customer, stored) else {
            return Err(Problem::BadCredentials);
        };
        let session = Session::new(id, customer, app.lifetimes.absolute, caller.user_agent(), network);
        let (ends_at, from) = (session.ends_at, caller.clone());
        let mut rules = app.sign_in_rules;
        // Otherwise somebody who moves from network to network could flood the mailbox.
        rules.notifies_new_networks =
            rules.notifies_new_networks && !known && app.throttle.may_mail(Action::SignIn, &customer.to_string());
        let begin = move |connection: &mut _| {
            queries::begin(connection, rules, (&hash, fresh.as_deref()), &session, network, &from)
        };
        match app.database.write(None, begin).await? {
            Ok(()) => {
                guess.take_back();
                break (customer, ends_at);
            }
            Err(denied @ (Denied::Disabled | Denied::Unverified)) => {
                guess.take_back();
                fail(app, Some(customer), &caller).await;
                if denied == Denied::Unverified && app.throttle.may_mail(Action::Verification, &customer.to_string()) {
                    let send = move |connection: &mut _| queries::send_verification(connection, customer, &caller);
                    app.database.write(None, send).await?;
                }
                return Err(denied.into());
            }
            // The hash is another one now. Another sign-in may have replaced it with a fresh hash of the same password.
            Err(_) if may_verify_again => {
                may_verify_again = false;
                let email = email.clone();
                let found = app.database.read(None, move |connection| queries::credentials(connection, &email)).await?;
                stored = found.and_then(|found| found.hash);
            }
            Err(_) => {
                fail(app, Some(customer), &caller).await;
                return Err(Problem::BadCredentials);
            }
        }
    };
    app.metrics.sessions.begun.inc();
    Event::SignIn.record(Some(customer), Some(id));
    Ok(Begun { customer, session: id, ends_at })
}

/// Records a failed sign-in. The reply does not depend on whether that succeeds, because it would tell who has an account.
async fn fail(app: &App, customer: Option<CustomerId>, caller: &Caller) {
    Event::SignInFailed.record(customer, None);
    let Some(customer) = customer else { return };
    let caller = caller.clone();
    let noted = app.database.write(None, move |connection| queries::note_failure(connection, customer, &caller)).await;
    if let Err(error) = noted {
        log::warn!("a failed sign-in is not in the history: {error}");
    }
}

pub(crate) async fn refresh(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(Refresh { refresh }): ValidJson<Refresh>,
) -> Result<HttpResponse, Problem> {
    let client = app.throttle.client(&request)?;
    let claims = app.refresh_tokens.read(&refresh).ok_or(Problem::TokenInvalid)?;
    app.throttle.by_account(Action::Refresh, &claims.session.to_string())?;
    let (idle, network) = (app.lifetimes.idle, client.network());
    let caller = app.caller_in(network, &request);
    let rotation =
        app.database.write(None, move |connection| queries::rotate(connection, claims, idle, network, &caller)).await?;
    let session = claims.session;
    match rotation {
        Rotation::Successor { customer, counter, ends_at, repeated } => {
            let event = if repeated { Event::RefreshRepeated } else { Event::Refresh };
            event.record(Some(customer), Some(session));
            let principal = Principal { customer, session: Some(session) };
            reply(&app, principal, RefreshClaims { session, counter }, ends_at)
        }
        Rotation::Ended => Err(Problem::SessionEnded),
        Rotation::Reused(customer) => {
            app.metrics.sessions.refresh_reused.inc();
            Event::RefreshReused.record(Some(customer), Some(session));
            Err(Problem::SessionEnded)
        }
    }
}

/// Revokes a refresh token. An invalid token gets 200 too, because it is unusable already (RFC 7009 §2.2).
pub(crate) async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    ValidJson(Revocation { refresh }): ValidJson<Revocation>,
) -> Result<HttpResponse, Problem> {
    let caller = app.caller(&request)?;
    if let Some(RefreshClaims { session, .. }) = refresh.and_then(|token| app.refresh_tokens.read(&token))
        && let Some(customer) =
            app.database.write(None, move |connection| queries::end(connection, session, &caller)).await?
    {
        app.metrics.sessions.signed_out.inc();
        Event::SignOut.record(Some(customer), Some(session));
    }
    Ok(HttpResponse::Ok().finish())
}

pub(crate) async fn list(app: web::Data<App>, customer: OwnedCustomer) -> Result<HttpResponse, Problem> {
    let own = customer.session();
    let sessions = all_of(&app, customer).await?;
    let sessions: Vec<SessionInfo> = sessions.into_iter().map(|session| SessionInfo::new(session, own)).collect();
    Ok(HttpResponse::Ok().json(sessions))
}

/// Returns the customer's sessions, the newest first.
pub(crate) async fn all_of(app: &App, customer: OwnedCustomer) -> Result<Vec<Session>, Problem> {
    let id = customer.id();
    Ok(app.database.read(Some(id), move |connection| queries::list(connection, &customer)).await??)
}

pub(crate) async fn end_one(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let session = SessionId::parse(&path.1).ok_or(Problem::NotFound)?;
    match end(&app, &request, customer, Ending::One(session)).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(HttpResponse::NoContent().finish()),
    }
}

pub(crate) async fn end_all(
    app: web::Data<App>,
    request: HttpRequest,
    customer: OwnedCustomer,
) -> Result<HttpResponse, Problem> {
    end(&app, &request, customer, Ending::All).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends sessions of the customer. Returns how many.
pub(crate) async fn end(
    app: &App,
    request: &HttpRequest,
    customer: OwnedCustomer,
    ending: Ending,
) -> Result<usize, Problem> {
    let id = customer.id();
    let one = if let Ending::One(session) = ending { Some(session) } else { None };
    let caller = app.caller(request)?;
    let ended = app
        .database
        .write(Some(id), move |connection| queries::end_of_customer(connection, &customer, ending, &caller))
        .await??;
    if ended > 0 {
        app.metrics.sessions.signed_out.inc_by(ended as u64);
        Event::SignOut.record(Some(id), one);
    }
    Ok(ended)
}
