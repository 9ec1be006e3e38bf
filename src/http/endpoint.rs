//! Endpoints: a method and path, who may call it, its handler, and its description for the OpenAPI document.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{ResponseError, Route};
use serde_json::Value;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::body::Body;
use super::guard;
use super::problem::Problem;
use super::throttle::{Action, Throttle, by_address};
use crate::tokens::AccessTokens;

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The customer whose id is in the path.
    Owner,
    /// Anyone.
    Public,
}

/// An optional query parameter of an endpoint.
pub(crate) struct QueryParameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: fn() -> Schema,
    pub(crate) example: fn() -> Value,
}

/// A request body.
pub(super) struct RequestBody {
    pub(super) name: &'static str,
    pub(super) media_types: &'static [&'static str],
    pub(super) schema: Schema,
    pub(super) example: &'static str,
}

/// A successful reply.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) headers: Vec<&'static str>,
    pub(super) content: Option<Content>,
}

/// The content of a reply.
pub(super) struct Content {
    pub(super) media_type: &'static str,
    pub(super) schema: RefOr<Schema>,
    /// The schemas that `schema` refers to.
    pub(super) components: Vec<(String, RefOr<Schema>)>,
}

/// A method and path, with its handler and description.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    /// The canonical path, usually with a trailing slash. It is served with and without the slash.
    pub(crate) path: &'static str,
    pub(super) access: Access,
    throttled: Option<Action>,
    /// Whether it exists only where mail is sent.
    pub(crate) needs_mail: bool,
    handler: fn() -> Route,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: Option<&'static str>,
    pub(super) conditions: &'static [&'static str],
    pub(super) query: &'static [QueryParameter],
    pub(super) body: Option<RequestBody>,
    pub(super) replies: Vec<Reply>,
    pub(super) problems: Vec<(StatusCode, &'static str)>,
}

impl Endpoint {
    /// Creates an endpoint for the customer whose id is in the path.
    pub(crate) fn owner(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: fn() -> Route,
    ) -> Self {
        Self { access: Access::Owner, ..Self::public(method, path, id, summary, handler) }
            .problems([
                Problem::TokenMissing,
                Problem::TokenInvalid,
                Problem::TokenExpired,
                Problem::SessionEnded,
                Problem::NotOwner,
                Problem::NotFound,
                Problem::TooManyRequests(1),
            ])
            .uses_database()
    }

    /// Creates an endpoint for anyone.
    pub(crate) fn public(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: fn() -> Route,
    ) -> Self {
        let endpoint = Self {
            method,
            path,
            access: Access::Public,
            throttled: None,
            needs_mail: false,
            handler,
            id,
            summary,
            description: None,
            conditions: &[],
            query: &[],
            body: None,
            replies: Vec::new(),
            problems: Vec::new(),
        };
        endpoint.problems([Problem::Internal(String::new()), Problem::Overloaded])
    }

    /// Adds a description to the summary.
    pub(crate) fn describe(self, description: &'static str) -> Self {
        Self { description: Some(description), ..self }
    }

    /// Throttles requests by client address.
    pub(crate) fn throttled(self, action: Action) -> Self {
        Self { throttled: Some(action), ..self }.problems([Problem::TooManyRequests(1)])
    }

    /// Declares that the handler uses the database, which may be unavailable.
    pub(crate) fn uses_database(self) -> Self {
        self.problems([Problem::DatabaseUnavailable(String::new())])
    }

    /// Declares that the endpoint exists only where mail is sent. Elsewhere it is 404.
    pub(crate) fn needs_mail(self) -> Self {
        Self { needs_mail: true, ..self }.problems([Problem::NotFound])
    }

    /// Declares the request body.
    pub(crate) fn takes<B: Body>(self) -> Self {
        let body = RequestBody { name: B::NAME, media_types: B::MEDIA_TYPES, schema: B::schema(), example: B::EXAMPLE };
        Self { body: Some(body), ..self }.problems([
            Problem::MalformedJson("".into()),
            Problem::RequestTimeout,
            Problem::BodyTooLarge,
            Problem::UnsupportedMediaType(B::MEDIA_TYPES),
            Problem::Validation(Vec::new()),
        ])
    }

    /// Declares the query parameters. The endpoint rejects others.
    pub(crate) fn queried(self, query: &'static [QueryParameter]) -> Self {
        Self { query, ..self }.problems([Problem::Validation(Vec::new())])
    }

    /// Declares the headers with preconditions (RFC 9110 §13).
    pub(crate) fn conditional(self, headers: &'static [&'static str]) -> Self {
        Self { conditions: headers, ..self }.problems([Problem::MalformedHeader("")])
    }

    /// Declares a reply with JSON.
    pub(crate) fn replies<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        let mut components = Vec::new();
        T::schemas(&mut components);
        let own = <T as PartialSchema>::schema();
        let name = T::name().into_owned();
        // A list or a map has no name.
        let schema = match &own {
            RefOr::T(Schema::Object(_)) => {
                components.push((name.clone(), own));
                RefOr::Ref(utoipa::openapi::Ref::from_schema_name(name))
            }
            _ => own,
        };
        self.reply(status, description, Some(Content { media_type: "application/json", schema, components }))
    }

    /// Declares a reply of text or bytes of this media type.
    pub(crate) fn replies_as(self, status: u16, media_type: &'static str, description: &'static str) -> Self {
        let schema = Schema::from(ObjectBuilder::new().schema_type(Type::String)).into();
        self.reply(status, description, Some(Content { media_type, schema, components: Vec::new() }))
    }

    /// Declares a reply without a body.
    pub(crate) fn replies_empty(self, status: u16, description: &'static str) -> Self {
        self.reply(status, description, None)
    }

    fn reply(mut self, status: u16, description: &'static str, content: Option<Content>) -> Self {
        self.replies.push(Reply { status, description, headers: Vec::new(), content });
        self
    }

    /// Adds headers to the last declared reply.
    pub(crate) fn with_headers(mut self, headers: &[&'static str]) -> Self {
        if let Some(reply) = self.replies.last_mut() {
            reply.headers.extend_from_slice(headers);
        }
        self
    }

    /// Declares these problems, in addition to those that follow from the other declarations.
    pub(crate) fn problems(mut self, problems: impl IntoIterator<Item = Problem>) -> Self {
        self.problems.extend(problems.into_iter().map(|problem| (problem.status_code(), problem.code())));
        self
    }

    /// Returns the route with its middleware, for the endpoint's own method or for HEAD.
    pub(crate) fn route(&self, method: Method, tokens: &Arc<AccessTokens>, throttle: &Arc<Throttle>) -> Route {
        let mut route = (self.handler)().method(method);
        // The last middleware added is the outermost.
        if let Some(action) = self.throttled {
            let throttle = Arc::clone(throttle);
            route = route.wrap(from_fn(move |request, next| by_address(Arc::clone(&throttle), action, request, next)));
        }
        match self.access {
            Access::Owner => route.wrap(guard::owner(Arc::clone(tokens))),
            Access::Public => route,
        }
    }
}
