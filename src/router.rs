//! Every route, once: method, path, who may, and the handler.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Resource, Route, web};

use crate::app::App;
use crate::customers::routes as customers;
use crate::http::throttle::by_address;
use crate::http::{Action, Problem, guard, health, jwks};
use crate::passwords::change as passwords;
use crate::sessions::routes as sessions;

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// The customer whose id is in the path.
    Owner,
    /// Anybody.
    Public,
}

/// A method of a path.
struct Endpoint {
    method: Method,
    /// With its trailing slash, or without one that it cannot have. It is served both ways.
    path: &'static str,
    access: Access,
    /// What the client's address is throttled for.
    throttled: Option<Action>,
    handler: fn() -> Route,
}

impl Endpoint {
    fn throttled(self, action: Action) -> Self {
        Self { throttled: Some(action), ..self }
    }

    /// The route with its middleware; the outermost one is added last.
    fn route(&self, app: &App, method: Method) -> Route {
        let mut route = (self.handler)().method(method);
        if let Some(action) = self.throttled {
            let throttle = Arc::clone(&app.throttle);
            route = route.wrap(from_fn(move |request, next| by_address(Arc::clone(&throttle), action, request, next)));
        }
        match self.access {
            Access::Owner => route.wrap(guard::owner(Arc::clone(&app.tokens))),
            Access::Public => route,
        }
    }
}

fn owner(method: Method, path: &'static str, handler: fn() -> Route) -> Endpoint {
    Endpoint { method, path, access: Access::Owner, throttled: None, handler }
}

fn public(method: Method, path: &'static str, handler: fn() -> Route) -> Endpoint {
    Endpoint { method, path, access: Access::Public, throttled: None, handler }
}

const CUSTOMERS: &str = "/api/v1/customers/";
const CUSTOMER: &str = "/api/v1/customers/{id}/";
const PASSWORD: &str = "/api/v1/customers/{id}/password/";
const SESSIONS: &str = "/api/v1/customers/{id}/sessions/";
const SESSION: &str = "/api/v1/customers/{id}/sessions/{sid}/";

/// The endpoints. Those of one path stand together.
fn endpoints() -> Vec<Endpoint> {
    use web::to;
    vec![
        public(Method::POST, CUSTOMERS, || to(customers::register)).throttled(Action::Registration),
        owner(Method::PUT, CUSTOMER, || to(customers::replace)),
        owner(Method::PATCH, CUSTOMER, || to(customers::patch)),
        owner(Method::DELETE, CUSTOMER, || to(customers::erase)),
        owner(Method::GET, CUSTOMER, || to(customers::show)),
        owner(Method::POST, PASSWORD, || to(passwords::change_password)).throttled(Action::PasswordChange),
        owner(Method::GET, SESSIONS, || to(sessions::list)),
        owner(Method::DELETE, SESSIONS, || to(sessions::end_all)),
        owner(Method::DELETE, SESSION, || to(sessions::end_one)),
        public(Method::POST, "/auth/token/", || to(sessions::sign_in)).throttled(Action::SignIn),
        public(Method::POST, "/auth/token/refresh/", || to(sessions::refresh)).throttled(Action::Refresh),
        public(Method::POST, "/auth/token/revoke/", || to(sessions::revoke)),
        public(Method::GET, "/health/live", || to(health::live)),
        public(Method::GET, "/health/ready", || to(health::ready)),
        public(Method::GET, "/.well-known/jwks.json", || to(jwks::jwks)),
    ]
}

/// Mounts the endpoints. What is not here is answered 404, and another method of a path 405.
pub(crate) fn configure(app: &App, config: &mut web::ServiceConfig) {
    for of_path in endpoints().chunk_by(|one, next| one.path == next.path) {
        config.service(resource(app, of_path));
    }
    config.default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::NotFound) }));
}

fn resource(app: &App, of_path: &[Endpoint]) -> Resource {
    let path = of_path.first().map_or("", |endpoint| endpoint.path.trim_end_matches('/'));
    let mut resource = web::resource([path.to_owned(), format!("{path}/")]);
    for endpoint in of_path {
        resource = resource.route(endpoint.route(app, endpoint.method.clone()));
        if endpoint.method == Method::GET {
            resource = resource.route(endpoint.route(app, Method::HEAD));
        }
    }
    resource
}
