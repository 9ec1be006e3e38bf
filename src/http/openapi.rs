//! The OpenAPI 3.1 document, made from the endpoints.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    AllOfBuilder, Components, ContentBuilder, Header, HeaderBuilder, HttpMethod, InfoBuilder, LicenseBuilder,
    ObjectBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
    SecurityRequirement, Server,
};
use utoipa::{PartialSchema, ToSchema};

use super::docs;
use super::endpoint::{Access, Endpoint, QueryParameter};
use super::problem::{Document, MEDIA_TYPE, title};

/// The name of the security scheme.
const BEARER: &str = "bearer";

const CUSTOMER_ID: &str = "^(me|[1-9][0-9]{0,15})$";
const SESSION_ID: &str = "^[1-9][0-9]{0,15}$";

const DESCRIPTION: &str = "Customer accounts of a storefront: profile, address, sign-in and sessions.

Every path works with and without its trailing slash, and every GET answers HEAD too. A path that does not exist is 404, \
and another method of one that does is 405 with `Allow`. Every error is `application/problem+json` (RFC 9457); its \
`code` is for programs. A request that is not HTTP (400), or whose head is too large (431) or too slow (408), gets one \
too. What a schema says of a text holds after white space at its ends is dropped, inner white space is collapsed and the \
rest is in Unicode NFC. Every reply carries `X-Request-Id`; a sane one that was sent is kept.";

/// An object that is described elsewhere.
pub(crate) struct AnyObject;

impl PartialSchema for AnyObject {
    fn schema() -> RefOr<Schema> {
        let open = Some(AdditionalProperties::FreeForm(true));
        Schema::from(ObjectBuilder::new().schema_type(Type::Object).additional_properties(open)).into()
    }
}

impl ToSchema for AnyObject {}

/// Describes the endpoints.
pub(crate) fn document(endpoints: &[Endpoint]) -> OpenApi {
    let mut components = Components::new();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let scheme = scheme.description(Some("An access token, from a sign-in or minted with the service's key."));
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme.build()));
    let mut schemas = Vec::new();
    Document::schemas(&mut schemas);
    schemas.push((Document::name().into_owned(), <Document as PartialSchema>::schema()));
    let mut paths = Paths::new();
    for endpoint in endpoints {
        for content in endpoint.replies.iter().filter_map(|reply| reply.content.as_ref()) {
            schemas.extend(content.components.iter().cloned());
        }
        if let Some(body) = &endpoint.body {
            schemas.push((body.name.to_owned(), body.schema.clone().into()));
        }
        paths.add_path_operation(endpoint.path, vec![http_method(&endpoint.method)], operation(endpoint));
    }
    components.schemas = schemas.into_iter().collect();
    let license = LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build();
    let info = InfoBuilder::new().title("Clientele").version(env!("CARGO_PKG_VERSION"));
    let info = info.description(Some(DESCRIPTION)).license(Some(license)).build();
    let servers = [Server::new("/")];
    OpenApiBuilder::new().info(info).servers(Some(servers)).paths(paths).components(Some(components)).build()
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(endpoint: &Endpoint) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.id))
        .tag(tag(endpoint.path))
        .summary(Some(endpoint.summary))
        .description(endpoint.description)
        .request_body(endpoint.body.as_ref().map(request_body))
        .securities(Some(match endpoint.access {
            Access::Owner => vec![SecurityRequirement::new(BEARER, [] as [&str; 0])],
            Access::Public => Vec::new(),
        }));
    let conditions = endpoint.conditions.iter().map(|name| condition(name));
    for parameter in path_parameters(endpoint.path).chain(conditions).chain(endpoint.query.iter().map(in_query)) {
        operation = operation.parameter(parameter);
    }
    for reply in &endpoint.replies {
        let mut response = ResponseBuilder::new().description(reply.description);
        if let Some(content) = &reply.content {
            response = response
                .content(content.media_type, ContentBuilder::new().schema(Some(content.schema.clone())).build());
        }
        let headers = reply.headers.iter().copied().chain(["X-Request-Id"]);
        let response = headers.fold(response, |response, name| response.header(name, header(name)));
        operation = operation.response(reply.status.to_string(), response);
    }
    for (status, codes) in by_status(endpoint) {
        operation = operation.response(status.as_u16().to_string(), problem(status, &codes));
    }
    operation
}

fn by_status(endpoint: &Endpoint) -> BTreeMap<StatusCode, BTreeSet<&'static str>> {
    let mut by_status = BTreeMap::<_, BTreeSet<_>>::new();
    for (status, code) in &endpoint.problems {
        by_status.entry(*status).or_default().insert(*code);
    }
    by_status
}

/// The first part of the path that tells endpoints apart.
fn tag(path: &str) -> &'static str {
    match path {
        _ if path.contains("/sessions/") || path.starts_with("/auth/token/") => "Sessions",
        _ if path.contains("/password/") => "Passwords",
        _ if path.starts_with("/api/v1/customers/") => "Customers",
        _ => "Service",
    }
}

fn path_parameters(path: &str) -> impl Iterator<Item = Parameter> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let (schema, description, example) = match name {
            "id" => (text.pattern(Some(CUSTOMER_ID)), "The customer's id, or `me`: the token's customer.", "me"),
            "file" => (text.enum_values(Some(docs::assets())), "The name of the file.", "swagger-ui.css"),
            _ => (text.pattern(Some(SESSION_ID)), "The session's id.", "5126384"),
        };
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        parameter.description(Some(description)).schema(Some(schema.build())).example(Some(json!(example))).build()
    })
}

fn in_query(parameter: &QueryParameter) -> Parameter {
    let QueryParameter { name, description, schema, example } = parameter;
    let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query).required(Required::False);
    parameter.description(Some(*description)).schema(Some(schema())).example(Some(example())).build()
}

fn condition(name: &'static str) -> Parameter {
    // Swagger UI sends the examples, so every version fits them.
    let (description, example) = match name {
        "If-Match" => ("Only if the stored version is one of these entity tags, such as `\"7\"`; `*` is any.", "*"),
        _ => ("Only if the stored version is none of these entity tags, such as `\"7\"`; `*` is any.", "\"0\""),
    };
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    parameter.description(Some(description)).schema(Some(schema)).example(Some(json!(example))).build()
}

fn request_body(body: &super::endpoint::RequestBody) -> RequestBody {
    let example: Option<Value> = serde_json::from_str(body.example).ok();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(body.name))).example(example).build();
    let builder = RequestBodyBuilder::new().required(Some(Required::True));
    body.media_types.iter().fold(builder, |builder, media_type| builder.content(*media_type, content.clone())).build()
}

/// A problem with one of these codes.
fn problem(status: StatusCode, codes: &BTreeSet<&'static str>) -> Response {
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.iter().copied())).build();
    let narrowed = ObjectBuilder::new().property("code", code).required("code");
    let schema: Schema =
        AllOfBuilder::new().item(Ref::from_schema_name(Document::name())).item(narrowed).build().into();
    let listed: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    let response = ResponseBuilder::new()
        .description(format!("{}: {}.", title(status), listed.join(", ")))
        .content(MEDIA_TYPE, ContentBuilder::new().schema(Some(schema)).build());
    let own = match status.as_u16() {
        401 | 403 => Some("WWW-Authenticate"),
        429 | 503 => Some("Retry-After"),
        _ => None,
    };
    let headers = own.into_iter().chain(["X-Request-Id"]);
    headers.fold(response, |response, name| response.header(name, header(name))).build()
}

fn header(name: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let (schema, description) = match name {
        "ETag" => {
            (text.pattern(Some("^\"[A-Za-z0-9_-]+\"$")), "The version of what is shown; a customer's is a number.")
        }
        "Location" => (text, "Where the new customer is."),
        "Content-Location" => (text, "The customer behind `me`."),
        "Retry-After" => {
            (ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)), "Seconds until the next try is welcome.")
        }
        "WWW-Authenticate" => (text, "The challenge of RFC 6750."),
        _ => (text.pattern(Some("^[A-Za-z0-9._-]{1,128}$")), "The name of this request in the log."),
    };
    HeaderBuilder::new().schema(Some(schema.build())).description(Some(description)).build()
}
