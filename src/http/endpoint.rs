//! An endpoint: a method of a path, who may call it, its handler, and all that the OpenAPI document says of it.

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
    /// Anybody.
    Public,
}

/// An optional query parameter of an endpoint.
pub(crate) struct QueryParameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: fn() -> Schema,
    pub(crate) example: fn() -> Value,
}

/// A body that an endpoint takes.
pub(super) struct RequestBody {
    pub(super) name: &'static str,
    pub(super) media_types: &'static [&'static str],
    pub(super) schema: Schema,
    pub(super) example: &'static str,
}

/// A reply without a problem.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) headers: Vec<&'static str>,
    pub(super) content: Option<Content>,
}

/// What a reply holds.
pub(super) struct Content {
    pub(super) media_type: &'static str,
    pub(super) schema: RefOr<Schema>,
    /// The schemas that it refers to.
    pub(super) components: Vec<(String, RefOr<Schema>)>,
}

/// A method of a path.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    /// With its trailing slash, or without one where none is usual. It is served both ways.
    pub(crate) path: &'static str,
    pub(super) access: Access,
    throttled: Option<Action>,
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
    /// An endpoint for the customer whose id is in the path.
    pub(crate) fn owner(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: fn() -> Route,
    ) -> Self {
        Self::new(method, path, id, summary, Access::Owner, handler)
            .problems([
                Problem::TokenMissing,
                Problem::TokenInvalid,
                Problem::TokenExpired,
                Problem::SessionEnded,
                Problem::NotOwner,
                Problem::NotFound,
                Problem::TooManyRequests(1),
            ])
            .asks_database()
    }

    /// An endpoint for anybody.
    pub(crate) fn public(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: fn() -> Route,
    ) -> Self {
        Self::new(method, path, id, summary, Access::Public, handler)
    }

    fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        access: Access,
        handler: fn() -> Route,
    ) -> Self {
        let endpoint = Self {
            method,
            path,
            access,
            throttled: None,
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

    /// Says more than the summary.
    pub(crate) fn describe(self, description: &'static str) -> Self {
        Self { description: Some(description), ..self }
    }

    /// Counts each request for its client's address.
    pub(crate) fn throttled(self, action: Action) -> Self {
        Self { throttled: Some(action), ..self }.problems([Problem::TooManyRequests(1)])
    }

    /// Asks the database, which may not be there.
    pub(crate) fn asks_database(self) -> Self {
        self.problems([Problem::DatabaseUnavailable(String::new())])
    }

    /// Takes a body.
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

    /// Takes these query parameters and no others.
    pub(crate) fn queried(self, query: &'static [QueryParameter]) -> Self {
        Self { query, ..self }.problems([Problem::Validation(Vec::new())])
    }

    /// Takes preconditions in these headers (RFC 9110 §13).
    pub(crate) fn conditional(self, headers: &'static [&'static str]) -> Self {
        Self { conditions: headers, ..self }.problems([Problem::MalformedHeader("")])
    }

    /// Replies with JSON.
    pub(crate) fn replies<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        let mut components = Vec::new();
        T::schemas(&mut components);
        let own = <T as PartialSchema>::schema();
        let name = T::name().into_owned();
        // A list or a map has no name of its own.
        let schema = match &own {
            RefOr::T(Schema::Object(_)) => {
                components.push((name.clone(), own));
                RefOr::Ref(utoipa::openapi::Ref::from_schema_name(name))
            }
            _ => own,
        };
        self.reply(status, description, Some(Content { media_type: "application/json", schema, components }))
    }

    /// Replies with text or bytes of this media type.
    pub(crate) fn replies_as(self, status: u16, media_type: &'static str, description: &'static str) -> Self {
        let schema = Schema::from(ObjectBuilder::new().schema_type(Type::String)).into();
        self.reply(status, description, Some(Content { media_type, schema, components: Vec::new() }))
    }

    /// Replies without a body.
    pub(crate) fn replies_empty(self, status: u16, description: &'static str) -> Self {
        self.reply(status, description, None)
    }

    fn reply(mut self, status: u16, description: &'static str, content: Option<Content>) -> Self {
        self.replies.push(Reply { status, description, headers: Vec::new(), content });
        self
    }

    /// The last reply carries these headers besides those of every reply.
    pub(crate) fn with_headers(mut self, headers: &[&'static str]) -> Self {
        if let Some(reply) = self.replies.last_mut() {
            reply.headers.extend_from_slice(headers);
        }
        self
    }

    /// May answer with these problems, besides those that follow from the rest.
    pub(crate) fn problems(mut self, problems: impl IntoIterator<Item = Problem>) -> Self {
        self.problems.extend(problems.into_iter().map(|problem| (problem.status_code(), problem.code())));
        self
    }

    /// The route with its middleware, for its method or for HEAD.
    pub(crate) fn route(&self, method: Method, tokens: &Arc<AccessTokens>, throttle: &Arc<Throttle>) -> Route {
        let mut route = (self.handler)().method(method);
        // The outermost middleware is added last.
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
