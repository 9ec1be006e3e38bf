//! A visit of a page: who comes, with which language, and the reply.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, LOCATION, RETRY_AFTER, SET_COOKIE, VARY};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use chrono::Utc;
use minijinja::{Value, context};
use url::form_urlencoded::parse;

use super::destination::{Destination, with_query};
use super::fields::Fields;
use super::messages::Messages;
use super::renderer::Pages;
use crate::app::App;
use crate::customers::{Customer, Versioned};
use crate::http::respond::{OwnBody, RequestId, log_cause};
use crate::http::{Action, Language, OwnedCustomer, Problem, cookie, guard};
use crate::sessions::touch;
use crate::tokens::SessionCookie;

/// A session is marked as used at most this often, in seconds.
const TOUCHED: i64 = 3600;

/// A request for a page.
pub(super) struct Visit {
    pub(super) app: web::Data<App>,
    pub(super) pages: web::Data<Pages>,
    pub(super) request: HttpRequest,
    pub(super) language: Language,
    /// Where to go after signing in.
    pub(super) destination: Destination,
    owner: Option<(OwnedCustomer, SessionCookie)>,
    /// The `Set-Cookie` of the reply.
    set_cookie: Option<String>,
}

impl FromRequest for Visit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| Problem::Internal("a page without its state".into())))
    }
}

impl Visit {
    fn of(request: &HttpRequest) -> Option<Self> {
        let app = request.app_data::<web::Data<App>>()?.clone();
        let pages = request.app_data::<web::Data<Pages>>()?.clone();
        let owner = guard::of_cookie(request, &app.cookies);
        let destination = Destination::of_query(&pages, request.query_string());
        let language = Language::of(request);
        Some(Self { app, pages, request: request.clone(), language, destination, owner, set_cookie: None })
    }

    /// Returns the texts in the language of the page.
    pub(super) fn messages(&self) -> &Messages {
        self.pages.messages(self.language)
    }

    /// Returns the customer whom the cookie names. Whether the session is alive, the statement tells.
    ///
    /// # Errors
    /// [`Problem::TokenMissing`], which leads to the page for signing in.
    pub(super) fn owner(&self) -> Result<OwnedCustomer, Problem> {
        self.owner.as_ref().map(|(customer, _)| customer.clone()).ok_or(Problem::TokenMissing)
    }

    /// Reads the customer who has signed in, and marks the session as used if that was long ago. A session that cannot
    /// be marked is marked at the next visit.
    ///
    /// # Errors
    /// [`Problem::TokenMissing`] and [`Problem::SessionEnded`], which lead to the page for signing in, and those of the
    /// database.
    pub(super) async fn profile(&mut self) -> Result<Versioned, Problem> {
        let customer = self.owner()?;
        let versioned = self.app.reads.submit(customer.clone()).await??;
        let interval = TOUCHED.min(self.app.lifetimes.idle.num_seconds() / 4);
        if let Some((_, cookie)) = &self.owner
            && cookie.age(Utc::now()) >= interval.max(1)
        {
            let id = customer.id();
            match self.app.database.write(Some(id), move |connection| touch(connection, &customer)).await {
                Ok(()) => self.sign_in(SessionCookie::used_now(cookie.customer, cookie.session)),
                Err(error) => log_cause(&error.into(), &self.request_id()),
            }
        }
        Ok(versioned)
    }

    /// Returns whether the cookie's session is alive.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn is_signed_in(&mut self) -> Result<bool, Problem> {
        match self.profile().await {
            Ok(_) => Ok(true),
            Err(Problem::TokenMissing | Problem::SessionEnded) => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Checks that mail is sent. Without, there is no recovery, and no page for it.
    ///
    /// # Errors
    /// [`Problem::NotFound`].
    pub(super) fn check_mail(&self) -> Result<(), Problem> {
        if self.app.sends_mail { Ok(()) } else { Err(Problem::NotFound) }
    }

    /// Counts an attempt for the client's address.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub(super) fn count(&self, action: Action) -> Result<(), Problem> {
        let client = self.app.throttle.client(&self.request)?;
        self.app.throttle.by_address(action, client)
    }

    /// Gives the browser the cookie of a session.
    pub(super) fn sign_in(&mut self, cookie: SessionCookie) {
        let seconds = self.app.lifetimes.absolute.num_seconds();
        let value = self.app.cookies.sign(&cookie);
        self.set_cookie = Some(cookie::set(&self.request, &value, seconds));
        self.owner = guard::of_cookie_value(&value, &self.app.cookies);
    }

    /// Takes the cookie from the browser.
    pub(super) fn sign_out(&mut self) {
        self.set_cookie = Some(cookie::removed(&self.request));
    }

    /// Leads the browser to another address with GET.
    pub(super) fn see_other(&self, address: &str) -> HttpResponse {
        let mut reply = HttpResponse::SeeOther();
        reply.insert_header((LOCATION, address));
        self.finish(reply.finish())
    }

    /// Leads to a page, which says what was done.
    pub(super) fn done(&self, path: &str, key: &'static str) -> HttpResponse {
        self.see_other(&with_query(path, [("done", key)].into_iter()))
    }

    /// Renders a page.
    ///
    /// # Errors
    /// [`Problem::Internal`]: the template is broken.
    pub(super) fn page(&self, template: &str, shown: Shown<'_>, more: Value) -> Result<HttpResponse, Problem> {
        let Shown { status, customer, fields } = shown;
        let messages = self.messages();
        // What the query says is shown only if it is a key of our own texts.
        let key_of = |section: &str| {
            let (_, key) = parse(self.request.query_string().as_bytes()).find(|(name, _)| name == section)?;
            (self.request.method().is_safe() && messages.has(section, &key)).then(|| key.into_owned())
        };
        let return_to = self.destination.return_to.as_deref();
        let return_query = with_query("", return_to.into_iter().map(|address| ("return_to", address)));
        let form = fields.map_or_else(|| Fields::new(&[]).context(), Fields::context);
        let always = context! {
            mail => self.app.sends_mail,
            signed_in => customer.map(|customer| context! { name => name(customer), email => customer.email.as_str() }),
            done => key_of("done"),
            notice => key_of("notice"),
            return_to,
            return_query,
        };
        let page = self.pages.render(template, self.language, context! { ..more, ..form, ..always });
        let html = page.map_err(Problem::Internal)?;
        let mut reply = HttpResponse::build(status);
        reply.content_type("text/html; charset=utf-8").insert_header((VARY, ACCEPT_LANGUAGE.as_str()));
        let mut reply = reply.body(html);
        reply.extensions_mut().insert(OwnBody);
        Ok(self.finish(reply))
    }

    /// Shows a form again, with what is wrong with it.
    ///
    /// # Errors
    /// [`Problem::Internal`]: the template is broken.
    pub(super) fn refused(
        &self,
        template: &str,
        customer: Option<&Customer>,
        fields: &mut Fields,
        problem: &Problem,
        more: Value,
    ) -> Result<HttpResponse, Problem> {
        log_cause(problem, &self.request_id());
        fields.refuse(problem, self.messages());
        let status = problem.status_code();
        let mut reply = self.page(template, Shown { status, customer, fields: Some(fields) }, more)?;
        if let Some(seconds) = problem.retry_after() {
            reply.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        Ok(reply)
    }

    /// Returns the id of the request.
    pub(super) fn request_id(&self) -> String {
        self.request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
    }

    fn finish(&self, mut reply: HttpResponse) -> HttpResponse {
        // The value is made of digits, letters and the name.
        if let Some(value) = self.set_cookie.as_ref().and_then(|text| text.parse().ok()) {
            reply.headers_mut().insert(SET_COOKIE, value);
        }
        reply
    }
}

/// What a page shows besides its own variables.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) status: StatusCode,
    /// The customer who has signed in.
    pub(super) customer: Option<&'a Customer>,
    pub(super) fields: Option<&'a Fields>,
}

impl<'a> Shown<'a> {
    /// A page for everybody.
    pub(super) fn to_anybody() -> Self {
        Self { status: StatusCode::OK, customer: None, fields: None }
    }

    /// A page for a customer.
    pub(super) fn to(customer: &'a Customer) -> Self {
        Self { customer: Some(customer), ..Self::to_anybody() }
    }

    /// With a form.
    pub(super) fn with(self, fields: &'a Fields) -> Self {
        Self { fields: Some(fields), ..self }
    }
}

/// Returns the full name.
pub(super) fn name(customer: &Customer) -> String {
    format!("{} {}", customer.first_name, customer.last_name).trim().to_owned()
}
