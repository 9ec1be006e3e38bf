//! The OpenAPI document as the tests read it: operations, with their schemas compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

/// Read once. That it is what the service serves is a test of its own.
pub(super) static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::committed);

/// Where the compiler finds it.
const LOCATION: &str = "http://localhost/openapi.json";

pub(super) struct Document {
    pub(super) schemas: Schemas,
    operations: Vec<Operation>,
    /// Every header that some reply has.
    pub(super) headers: BTreeSet<String>,
}

/// A method of a path.
pub(super) struct Operation {
    method: String,
    /// The parts of its path between slashes.
    path: Vec<String>,
    pub(super) body: Option<SchemaIndex>,
    pub(super) replies: BTreeMap<String, Documented>,
}

/// A status of an operation.
pub(super) struct Documented {
    /// The media type and its schema.
    pub(super) content: Option<(String, SchemaIndex)>,
    pub(super) headers: BTreeMap<String, Header>,
}

pub(super) struct Header {
    pub(super) schema: SchemaIndex,
    pub(super) is_number: bool,
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

impl Document {
    fn committed() -> Self {
        let document = serde_json::from_str::<Value>(&committed()).expect("JSON");
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(LOCATION, document.clone()).expect("a resource");
        let mut reader = Reader { compiler, schemas: Schemas::new() };
        let mut operations = Vec::new();
        for (path, methods) in members(&document["paths"]) {
            for (method, operation) in members(methods) {
                operations.push(reader.operation(path, method, operation));
            }
        }
        let replies = operations.iter().flat_map(|operation: &Operation| operation.replies.values());
        let headers = replies.flat_map(|reply| reply.headers.keys().cloned()).collect();
        Self { schemas: reader.schemas, operations, headers }
    }

    /// The operation behind a request, if there is one. `HEAD` is described as `GET`.
    pub(super) fn operation(&self, method: &str, target: &str) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        let path: Vec<&str> = parts(target.split('?').next()?).collect();
        let fits = |(template, part): (&String, &&str)| template == part || template.starts_with('{');
        self.operations.iter().find(|operation| {
            operation.method == method
                && operation.path.len() == path.len()
                && operation.path.iter().zip(&path).all(fits)
        })
    }
}

/// Compiles the schemas of what it reads.
struct Reader {
    compiler: Compiler,
    schemas: Schemas,
}

impl Reader {
    fn operation(&mut self, path: &str, method: &str, described: &Value) -> Operation {
        let place = format!("{LOCATION}#/paths/{}/{method}", escaped(path));
        let body = self.content(&format!("{place}/requestBody"), &described["requestBody"]);
        let replies = members(&described["responses"]).map(|(status, reply)| {
            let place = format!("{place}/responses/{status}");
            let documented = Documented { content: self.content(&place, reply), headers: self.headers(&place, reply) };
            (status.to_owned(), documented)
        });
        let replies = replies.collect();
        let path = parts(path).map(ToOwned::to_owned).collect();
        Operation { method: method.to_uppercase(), path, body: body.map(|(_, schema)| schema), replies }
    }

    /// The first media type; the others of a body have the same schema.
    fn content(&mut self, place: &str, described: &Value) -> Option<(String, SchemaIndex)> {
        let (media_type, _) = members(&described["content"]).next()?;
        let schema = self.schema(&format!("{place}/content/{}/schema", escaped(media_type)));
        Some((media_type.to_owned(), schema))
    }

    fn headers(&mut self, place: &str, described: &Value) -> BTreeMap<String, Header> {
        let header = |(name, header): (&str, &Value)| {
            let schema = self.schema(&format!("{place}/headers/{name}/schema"));
            (name.to_owned(), Header { schema, is_number: header["schema"]["type"] == "integer" })
        };
        members(&described["headers"]).map(header).collect()
    }

    fn schema(&mut self, place: &str) -> SchemaIndex {
        self.compiler.compile(place, &mut self.schemas).expect("a schema")
    }
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The parts of a path, with or without its trailing slash.
pub(super) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.strip_suffix('/').unwrap_or(path).split('/')
}

/// A part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
