//! Whether what was sent and what came back are as the OpenAPI document says.

use boon::SchemaIndex;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::document::{DOCUMENT, Documented, Operation, parts};
use super::http::Reply;

/// Fails unless an operation takes what was sent, where it took it, and answers as it did. Nothing is known of a body
/// that was sent in pieces.
///
/// The document describes no reply to an unknown path or method (404, 405), and none to a request of which no more than
/// its head was looked at: one that is not HTTP, or too large, or too late.
#[track_caller]
pub(super) fn check(method: &str, target: &str, sent: Option<&[u8]>, reply: &Reply) {
    let Some(operation) = DOCUMENT.operation(method, target) else { return };
    if method != "HEAD" && is_unread(operation, reply) {
        return;
    }
    let told = || format!("{method} {target}: {} {}", reply.status(), reply.text());
    let documented = operation.replies.get(&reply.status().to_string());
    let documented = documented.unwrap_or_else(|| unreachable!("no such status: {}", told()));
    check_headers(documented, target, reply, &told);
    match &documented.content {
        None => assert_eq!(reply.text(), "", "no body: {}", told()),
        Some((media_type, schema)) => {
            let sent = reply.header("content-type").and_then(|sent| sent.split(';').next());
            assert!(media_type == "*/*" || sent == Some(media_type), "{sent:?}: {}", told());
            if method != "HEAD" && media_type.ends_with("json") {
                check_value(&reply.json(), *schema, &told);
            }
        }
    }
    let taken = sent.filter(|_| (200..300).contains(&reply.status()));
    if let (Some(schema), Some(sent)) = (operation.body, taken) {
        // What stands in an ignored member may be more than this parser reads: nested too deeply, or half a surrogate.
        if let Ok(body) = serde_json::from_slice(sent) {
            check_value(&as_read(body), schema, &|| format!("the body of {}", told()));
        }
    }
}

/// Whether no more than the head of the request was looked at.
fn is_unread(operation: &Operation, reply: &Reply) -> bool {
    if reply.header("content-type") != Some("application/problem+json") {
        return false;
    }
    match reply.json()["code"].as_str() {
        Some("bad_request") => true,
        Some("request_timeout") => operation.body.is_none(),
        _ => false,
    }
}

/// Those that are documented are there, and no other that is documented elsewhere. `Content-Location` says who `me` is.
#[track_caller]
fn check_headers(documented: &Documented, target: &str, reply: &Reply, told: &dyn Fn() -> String) {
    for name in &DOCUMENT.headers {
        let value = reply.header(name);
        let header = documented.headers.get(name);
        let is_wanted = header.is_some() && (name != "Content-Location" || is_me(target));
        assert_eq!(value.is_some(), is_wanted, "{name}: {value:?}: {}", told());
        if let (Some(value), Some(header)) = (value, header) {
            let number = || value.parse::<u64>().map(Value::from).expect("a number");
            let value = if header.is_number { number() } else { value.into() };
            check_value(&value, header.schema, &|| format!("{name} of {}", told()));
        }
    }
}

fn is_me(target: &str) -> bool {
    parts(target.split('?').next().unwrap_or_default()).any(|part| part == "me")
}

#[track_caller]
fn check_value(value: &Value, schema: SchemaIndex, told: &dyn Fn() -> String) {
    if let Err(error) = DOCUMENT.schemas.validate(value, schema) {
        unreachable!("{value} does not fit its schema: {error:#}\n{}", told());
    }
}

/// Text as the service reads it: its schema describes what is left of it.
fn as_read(value: Value) -> Value {
    match value {
        Value::String(text) => {
            Value::String(text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect::<String>())
        }
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, as_read(value))).collect(),
        other => other,
    }
}
