//! `/auth/token/…`, `/api/v1/customers/{id}/sessions/…` and `…/password/`

use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{TimeDelta, Utc};
use serde::Serialize;

use super::body::{PasswordChange, Refresh, Revocation, SignIn};
use super::model::{Session, SessionId, Shown};
use super::password::{Client, Passwords, Verified};
use super::queries::{self, Ending, Rotation, Standing, Which};
use super::refresh::{Presented, RefreshTokens};
use super::token::AccessTokens;
use crate::auth::{Principal, bearer};
use crate::body::{Checked, FieldCode, FieldErrors, Refusal};
use crate::db::{Database, UtcMicros};
use crate::guard::OwnedCustomer;
use crate::operations::events::Event;
use crate::problem::Problem;
use crate::settings;
use crate::throttle::{Action, ClientAddress, Throttle};

/// Mounts the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource(["/auth/token", "/auth/token/"]).route(web::post().to(sign_in)))
        .service(web::resource(["/auth/token/refresh", "/auth/token/refresh/"]).route(web::post().to(refresh)))
        .service(web::resource(["/auth/token/revoke", "/auth/token/revoke/"]).route(web::post().to(revoke)))
        .service(
            web::resource(["/api/v1/customers/{id}/sessions", "/api/v1/customers/{id}/sessions/"])
                .route(web::get().to(list).wrap(bearer()))
                .route(web::head().to(list).wrap(bearer()))
                .route(web::delete().to(end_all).wrap(bearer())),
        )
        .service(
            web::resource(["/api/v1/customers/{id}/sessions/{sid}", "/api/v1/customers/{id}/sessions/{sid}/"])
                .route(web::delete().to(end_one).wrap(bearer())),
        )
        .service(
            web::resource(["/api/v1/customers/{id}/password", "/api/v1/customers/{id}/password/"])
                .route(web::post().to(change_password).wrap(bearer())),
        );
}

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Without a refresh.
    pub idle: TimeDelta,
    /// In any case.
    pub absolute: TimeDelta,
}

impl From<&settings::Auth> for Lifetimes {
    fn from(auth: &settings::Auth) -> Self {
        let span = |seconds: u64| TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000));
        Self { idle: span(auth.session_idle_seconds), absolute: span(auth.session_absolute_seconds) }
    }
}

/// What signs people in: access tokens, refresh tokens, life times.
pub struct Signer {
    /// Signs and verifies access tokens.
    pub access: web::Data<AccessTokens>,
    /// Derives and checks refresh tokens.
    pub refresh: RefreshTokens,
    /// How long sessions live.
    pub lifetimes: Lifetimes,
}

/// The reply to a sign-in and to a refresh.
#[derive(Serialize)]
struct Tokens {
    access: String,
    refresh: String,
    token_type: &'static str,
    expires_in: u64,
}

impl Signer {
    /// Both tokens of a session; the access token never outlives it.
    fn reply(&self, principal: Principal, presented: Presented, ends_at: UtcMicros) -> Result<HttpResponse, Problem> {
        let left = ends_at.naive().and_utc() - Utc::now();
        let lifetime = self.access.lifetime().min(Duration::from_secs(left.num_seconds().max(1).unsigned_abs()));
        let access = self.access.issue(principal, lifetime).map_err(|error| Problem::Internal(error.to_string()))?;
        let tokens = Tokens {
            access,
            refresh: self.refresh.derive(presented),
            token_type: "Bearer",
            expires_in: lifetime.as_secs(),
        };
        Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(tokens))
    }
}

/// An unknown email costs the same work as a wrong password and gets the same answer.
async fn sign_in(
    request: HttpRequest,
    client: ClientAddress,
    Checked(SignIn { email, password }): Checked<SignIn>,
    throttle: web::Data<Throttle>,
    database: web::Data<Database>,
    passwords: web::Data<Passwords>,
    signer: web::Data<Signer>,
) -> Result<HttpResponse, Problem> {
    let canonical = email.canonical().to_owned();
    let found = database.read(None, move |connection| queries::credentials(connection, &email)).await?;
    let known = found.as_ref().is_some_and(|found| found.networks.contain(client.network()));
    let guess = throttle.guess(Action::SignIn, &canonical, client.network(), known)?;
    let customer = found.as_ref().map(|found| found.customer);
    let stored = found.and_then(|found| found.hash);
    let asks = Client::from_known_network(known);
    let verified = match passwords.verify(asks, password, stored.clone()).await {
        Ok(verified) => verified,
        Err(problem) => {
            guess.take_back();
            return Err(problem);
        }
    };
    let fresh = match verified {
        Ok(Verified { fresh }) => fresh,
        Err(wrong) => {
            Event::SignInFailed.record(customer, None);
            wrong.wait().await;
            return Err(Problem::BadCredentials);
        }
    };
    let (Some(customer), Some(stored)) = (customer, stored) else {
        return Err(Problem::BadCredentials);
    };
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let (id, network) = (SessionId::generate(), client.network());
    let session = Session::new(id, customer, signer.lifetimes.absolute, user_agent, network);
    let ends_at = session.ends_at;
    let begun = database
        .write(None, move |connection| queries::begin(connection, &stored, fresh.as_deref(), &session, network))
        .await?;
    if !begun {
        Event::SignInFailed.record(Some(customer), None);
        return Err(Problem::BadCredentials);
    }
    guess.take_back();
    Event::SignIn.record(Some(customer), Some(id));
    signer.reply(Principal { customer, session: Some(id) }, Presented { session: id, counter: 0 }, ends_at)
}

async fn refresh(
    client: ClientAddress,
    Checked(Refresh { refresh }): Checked<Refresh>,
    throttle: web::Data<Throttle>,
    database: web::Data<Database>,
    signer: web::Data<Signer>,
) -> Result<HttpResponse, Problem> {
    let presented = signer.refresh.read(&refresh).ok_or(Problem::TokenInvalid)?;
    throttle.by_account(Action::Refresh, &presented.session.to_string())?;
    let (idle, network) = (signer.lifetimes.idle, client.network());
    let rotation =
        database.write(None, move |connection| queries::rotate(connection, presented, idle, network)).await?;
    let session = presented.session;
    match rotation {
        Rotation::Child { customer, counter, ends_at, repeated } => {
            let event = if repeated { Event::RefreshRepeated } else { Event::Refresh };
            event.record(Some(customer), Some(session));
            let principal = Principal { customer, session: Some(session) };
            signer.reply(principal, Presented { session, counter }, ends_at)
        }
        Rotation::Ended => Err(Problem::SessionEnded),
        Rotation::Reused(customer) => {
            Event::RefreshReused.record(Some(customer), Some(session));
            Err(Problem::SessionEnded)
        }
    }
}

/// 200 also for what is no token: the purpose, that it is of no use, is achieved (RFC 7009 §2.2).
async fn revoke(
    Checked(Revocation { refresh }): Checked<Revocation>,
    database: web::Data<Database>,
    signer: web::Data<Signer>,
) -> Result<HttpResponse, Problem> {
    if let Some(Presented { session, .. }) = refresh.and_then(|token| signer.refresh.read(&token))
        && database.write(None, move |connection| queries::end(connection, session)).await?
    {
        Event::SignOut.record(None, Some(session));
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}

async fn list(customer: OwnedCustomer, database: web::Data<Database>) -> Result<HttpResponse, Problem> {
    let own = customer.session();
    let sessions = database.read(Some(customer.id()), move |connection| queries::list(connection, &customer)).await?;
    let sessions = match (sessions, own) {
        (Some(sessions), Some(own)) if sessions.iter().all(|session| session.id != own.get()) => {
            return Err(Problem::SessionEnded);
        }
        (Some(sessions), _) => sessions,
        (None, Some(_)) => return Err(Problem::SessionEnded),
        (None, None) => return Err(Problem::NotFound),
    };
    let shown: Vec<Shown> = sessions.into_iter().map(|session| Shown::new(session, own)).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(shown))
}

async fn end_one(
    customer: OwnedCustomer,
    path: web::Path<(String, String)>,
    database: web::Data<Database>,
) -> Result<HttpResponse, Problem> {
    let session = SessionId::parse(&path.1).ok_or(Problem::NotFound)?;
    match end(customer, Which::One(session), &database).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(HttpResponse::NoContent().finish()),
    }
}

async fn end_all(customer: OwnedCustomer, database: web::Data<Database>) -> Result<HttpResponse, Problem> {
    end(customer, Which::All, &database).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn end(customer: OwnedCustomer, which: Which, database: &Database) -> Result<usize, Problem> {
    let id = customer.id();
    let ended =
        database.write(Some(id), move |connection| queries::end_of_customer(connection, &customer, which)).await?;
    let ended = match ended {
        Ending::Ended(ended) => ended,
        Ending::SessionEnded => return Err(Problem::SessionEnded),
        Ending::Missing => return Err(Problem::NotFound),
    };
    if ended > 0 {
        let session = match which {
            Which::One(session) => Some(session),
            Which::All => None,
        };
        Event::SignOut.record(Some(id), session);
    }
    Ok(ended)
}

/// A wrong current password is the body's fault, not the token's: 422, beside what is wrong with the new one.
async fn change_password(
    client: ClientAddress,
    customer: OwnedCustomer,
    Checked(PasswordChange { current, new }): Checked<PasswordChange>,
    throttle: web::Data<Throttle>,
    database: web::Data<Database>,
    passwords: web::Data<Passwords>,
) -> Result<HttpResponse, Problem> {
    let owner = customer.clone();
    let account =
        match database.read(Some(customer.id()), move |connection| queries::account(connection, &owner)).await? {
            Standing::Account(account) => account,
            Standing::Missing => return Err(Problem::NotFound),
            Standing::SessionEnded => return Err(Problem::SessionEnded),
        };
    let known = account.networks.contain(client.network());
    let guess = throttle.guess(Action::PasswordChange, &customer.id().to_string(), client.network(), known)?;
    let mut errors = FieldErrors::default();
    let asks = Client::from_known_network(known);
    let wrong = match passwords.verify(asks, current, account.hash.clone()).await {
        Ok(Ok(_)) => {
            guess.take_back();
            None
        }
        Ok(Err(wrong)) => {
            Event::PasswordChangeFailed.record(Some(customer.id()), customer.session());
            errors.add("#/current_password", Refusal::new(FieldCode::Incorrect, "This is not the current password."));
            Some(wrong)
        }
        Err(problem) => {
            guess.take_back();
            return Err(problem);
        }
    };
    let known = vec![account.email, account.first_name, account.last_name];
    let fresh = passwords.hash_new(asks, new, "#/new_password", known, errors).await;
    if let Some(wrong) = wrong {
        wrong.wait().await;
    }
    let fresh = fresh?;
    let network = client.network();
    let id = customer.id();
    let verified = account.hash.ok_or(Problem::NotFound)?;
    let changed = database
        .write(Some(id), move |connection| queries::change_password(connection, &customer, &verified, &fresh, network))
        .await?;
    if !changed {
        return Err(Problem::SessionEnded);
    }
    Event::PasswordChange.record(Some(id), None);
    Ok(HttpResponse::NoContent().finish())
}
