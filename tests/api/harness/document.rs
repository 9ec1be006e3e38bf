//! The OpenAPI document, and whether what was sent and what came back are as it says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::http::Reply;

/// Compiled once. That it is what the service serves is a test of its own.
static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::committed);

/// Where the compiler finds it.
const LOCATION: &str = "http://localhost/openapi.json";

struct Document {
    schemas: Schemas,
    operations: Vec<Operation>,
    /// Every header that some reply has.
    headers: BTreeSet<String>,
}

struct Operation {
    method: String,
    /// The parts of its path between slashes.
    path: Vec<String>,
    body: Option<SchemaIndex>,
    replies: BTreeMap<String, Documented>,
}

/// A status of an operation.
struct Documented {
    content: Option<(String, SchemaIndex)>,
    headers: BTreeMap<String, Header>,
}

struct Header {
    schema: SchemaIndex,
    is_number: bool,
}

/// The document that is committed.
pub(crate) fn committed() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")).expect("the document")
}

/// Whether an operation takes a body, as far as its schema says.
pub(crate) fn fits(method: &str, path: &str, body: &Value) -> bool {
    let operation = DOCUMENT.operation(method, path).expect("an operation");
    DOCUMENT.schemas.validate(body, operation.body.expect("a body")).is_ok()
}

/// Fails unless an operation takes what was sent, where it took it, and answers as it did. Nothing is known of a body
/// that was sent in pieces.
///
/// The document describes no reply to an unknown path or method (404, 405), and none to a request that is not read as
/// far as its path is known: not HTTP, or too large or too late a head.
#[track_caller]
pub(super) fn check(method: &str, target: &str, sent: Option<&[u8]>, reply: &Reply) {
    let Some(operation) = DOCUMENT.operation(method, target) else { return };
    let told = || format!("{method} {target}: {} {}", reply.status(), reply.text());
    let is_head = method == "HEAD";
    if !is_head && reply.header("content-type") == Some("application/problem+json") {
        let is_unread = match reply.json()["code"].as_str() {
            Some("bad_request") => true,
            Some("request_timeout") => operation.body.is_none(),
            _ => false,
        };
        if is_unread {
            return;
        }
    }
    let Some(documented) = operation.replies.get(&reply.status().to_string()) else {
        unreachable!("no such status: {}", told());
    };
    DOCUMENT.check_headers(documented, target, reply, &told);
    match &documented.content {
        None => assert_eq!(reply.text(), "", "no body: {}", told()),
        Some((media_type, schema)) => {
            let sent = reply.header("content-type").and_then(|sent| sent.split(';').next());
            assert!(media_type == "*/*" || sent == Some(media_type), "{sent:?}: {}", told());
            if !is_head && media_type.ends_with("json") {
                DOCUMENT.check_value(&reply.json(), *schema, &told);
            }
        }
    }
    let taken = sent.filter(|_| (200..300).contains(&reply.status()));
    if let (Some(schema), Some(sent)) = (operation.body, taken) {
        // What stands in an ignored member may be more than this parser reads: nested too deeply, or half a surrogate.
        if let Ok(body) = serde_json::from_slice(sent) {
            DOCUMENT.check_value(&as_read(body), schema, &|| format!("the body of {}", told()));
        }
    }
}

impl Document {
    fn committed() -> Self {
        let text = serde_json::from_str::<Value>(&committed()).expect("JSON");
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(LOCATION, text.clone()).expect("a resource");
        let mut document = Self { schemas: Schemas::new(), operations: Vec::new(), headers: BTreeSet::new() };
        for (path, methods) in members(&text["paths"]) {
            for (method, operation) in members(methods) {
                let place = format!("{LOCATION}#/paths/{}/{method}", escaped(path));
                let operation = document.operation_at(&mut compiler, &place, path, method, operation);
                document.operations.push(operation);
            }
        }
        document
    }

    fn operation_at(
        &mut self,
        compiler: &mut Compiler,
        place: &str,
        path: &str,
        method: &str,
        told: &Value,
    ) -> Operation {
        let schemas = &mut self.schemas;
        let mut compile = |place: String| compiler.compile(&place, schemas).expect("a schema");
        let mut content = |place: &str, told: &Value| {
            let media_type = members(told).next().map(|(media_type, _)| media_type.to_owned());
            media_type.map(|media_type| {
                let schema = compile(format!("{place}/content/{}/schema", escaped(&media_type)));
                (media_type, schema)
            })
        };
        let body = content(&format!("{place}/requestBody"), &told["requestBody"]["content"]).map(|(_, schema)| schema);
        let mut contents = BTreeMap::new();
        for (status, reply) in members(&told["responses"]) {
            contents.insert(status, content(&format!("{place}/responses/{status}"), &reply["content"]));
        }
        let mut replies = BTreeMap::new();
        for (status, reply) in members(&told["responses"]) {
            let header = |(name, header): (&str, &Value)| {
                let schema = compile(format!("{place}/responses/{status}/headers/{name}/schema"));
                self.headers.insert(name.to_owned());
                (name.to_owned(), Header { schema, is_number: header["schema"]["type"] == "integer" })
            };
            let headers = members(&reply["headers"]).map(header).collect();
            let content = contents.remove(status).flatten();
            replies.insert(status.to_owned(), Documented { content, headers });
        }
        let path = parts(path).map(ToOwned::to_owned).collect();
        Operation { method: method.to_uppercase(), path, body, replies }
    }

    fn operation(&self, method: &str, target: &str) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        let path: Vec<&str> = parts(target.split('?').next()?).collect();
        self.operations.iter().find(|operation| {
            let same = |(template, part): (&String, &&str)| template == part || template.starts_with('{');
            operation.method == method
                && operation.path.len() == path.len()
                && operation.path.iter().zip(&path).all(same)
        })
    }

    /// Those that are documented are there, and no other that is documented elsewhere. `Content-Location` says who `me`
    /// is.
    fn check_headers(&self, documented: &Documented, target: &str, reply: &Reply, told: &dyn Fn() -> String) {
        for name in &self.headers {
            let value = reply.header(name);
            let header = documented.headers.get(name);
            let is_wanted = header.is_some() && (name != "Content-Location" || parts(target).any(|part| part == "me"));
            assert_eq!(value.is_some(), is_wanted, "{name}: {value:?}: {}", told());
            if let (Some(value), Some(header)) = (value, header) {
                let number = || value.parse::<u64>().map(Value::from).expect("a number");
                let value = if header.is_number { number() } else { value.into() };
                self.check_value(&value, header.schema, &|| format!("{name} of {}", told()));
            }
        }
    }

    fn check_value(&self, value: &Value, schema: SchemaIndex, told: &dyn Fn() -> String) {
        if let Err(error) = self.schemas.validate(value, schema) {
            unreachable!("{value} does not fit its schema: {error:#}\n{}", told());
        }
    }
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// A path with or without its trailing slash.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.strip_suffix('/').unwrap_or(path).split('/')
}

/// A part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Text as the service reads it: its schema describes what is left of it.
fn as_read(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect()),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, as_read(value))).collect(),
        other => other,
    }
}
