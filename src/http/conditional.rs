//! Conditional requests (RFC 9110 §13). A customer's entity tag is the version in quotes.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};

use super::problem::Problem;

/// The most tags that one header may have.
const MOST_TAGS: usize = 64;

/// The condition of one header.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    /// `*`: the resource exists.
    Exists,
    /// The resource has one of these tags.
    OneOf(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    /// Whether the tag began with `W/`.
    weak: bool,
    /// `None` for a tag that is not the tag of any version.
    version: Option<i64>,
}

/// `If-Match`: the versions that a change may start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(Option<Condition>);

impl IfMatch {
    /// Returns the versions that match, or `None` if any version does. Weak tags never match (RFC 9110 §13.1.1).
    pub(crate) fn versions(&self) -> Option<Vec<i64>> {
        match &self.0 {
            None | Some(Condition::Exists) => None,
            Some(Condition::OneOf(tags)) => {
                Some(tags.iter().filter(|tag| !tag.weak).filter_map(|tag| tag.version).collect())
            }
        }
    }
}

/// `If-None-Match`: the versions that the client has, or that a change must not start from (RFC 9110 §13.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IfNoneMatch(Option<Condition>);

impl IfNoneMatch {
    /// Returns whether this version matches, by weak comparison (RFC 9110 §13.1.2).
    pub(crate) fn has(&self, version: i64) -> bool {
        match &self.0 {
            None => false,
            Some(Condition::Exists) => true,
            Some(Condition::OneOf(tags)) => tags.iter().any(|tag| tag.version == Some(version)),
        }
    }
}

/// The conditions of a change. The stored version must meet them when the change is written.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    if_match: Option<Vec<i64>>,
    if_none_match: IfNoneMatch,
}

impl Conditions {
    /// The conditions of a change that starts from one version, as `If-Match` with its tag.
    pub(crate) fn of_version(version: i64) -> Self {
        Self { if_match: Some(vec![version]), if_none_match: IfNoneMatch::default() }
    }

    /// Returns whether a change may start from this version.
    pub(crate) fn allow(&self, version: i64) -> bool {
        self.if_match.as_ref().is_none_or(|versions| versions.contains(&version)) && !self.if_none_match.has(version)
    }
}

impl FromRequest for Conditions {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let if_match = IfMatch::from_request(request, payload).into_inner();
        let if_none_match = IfNoneMatch::from_request(request, payload).into_inner();
        ready(if_match.and_then(|if_match| Ok(Self { if_match: if_match.versions(), if_none_match: if_none_match? })))
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.headers(), &IF_MATCH, "If-Match").map(Self))
    }
}

impl FromRequest for IfNoneMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.headers(), &IF_NONE_MATCH, "If-None-Match").map(Self))
    }
}

fn read(headers: &HeaderMap, name: &HeaderName, display_name: &'static str) -> Result<Option<Condition>, Problem> {
    let malformed = || Problem::MalformedHeader(display_name);
    let mut lines = headers.get_all(name).peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let mut list = String::new();
    for line in lines {
        list.push_str(line.to_str().map_err(|_| malformed())?);
        list.push(',');
    }
    let list = list.trim_end_matches(',');
    if list.trim() == "*" {
        return Ok(Some(Condition::Exists));
    }
    tags(list).ok_or_else(malformed).map(|tags| Some(Condition::OneOf(tags)))
}

/// Parses `#entity-tag` (RFC 9110 §8.8.3): quoted, without white space or quotes inside. Ignores empty list elements.
fn tags(list: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if !opaque.bytes().all(|byte| byte == 0x21 || (0x23..=0x7e).contains(&byte)) {
            return None;
        }
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        let version = opaque.parse::<i64>().ok().filter(|version| version.to_string() == opaque);
        tags.push(Tag { weak, version });
        if tags.len() > MOST_TAGS {
            return None;
        }
    }
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn versions(list: &str) -> Option<Vec<i64>> {
        tags(list).map(|tags| tags.iter().filter(|tag| !tag.weak).filter_map(|tag| tag.version).collect())
    }

    #[test]
    fn lists_of_tags_are_read_as_rfc_9110_writes_them() {
        assert_eq!(versions("\"3\""), Some(vec![3]));
        assert_eq!(versions("\"3\" , ,\"abc\",W/\"4\", \"05\",\"7\""), Some(vec![3, 7]));
    }

    fn if_none_match(value: Option<&'static str>) -> IfNoneMatch {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(value));
        }
        IfNoneMatch(read(&headers, &IF_NONE_MATCH, "If-None-Match").expect("a condition"))
    }

    #[test]
    fn if_none_match_has_the_versions_of_its_tags_weak_ones_too() {
        for value in ["\"3\"", "W/\"3\"", "\"abc\", W/\"7\" ,\"3\"", "*"] {
            assert!(if_none_match(Some(value)).has(3), "{value}");
        }
        for value in ["\"4\"", "\"03\"", "\"abc\"", "W/\"33\""] {
            assert!(!if_none_match(Some(value)).has(3), "{value}");
        }
    }

    #[test]
    fn without_if_none_match_no_version_is_had() {
        assert!(!if_none_match(None).has(3));
        assert_eq!(if_none_match(None), IfNoneMatch::default());
    }

    #[test]
    fn what_is_no_tag_is_malformed() {
        for list in ["3", "\"3", "\"3\"\"4\"", "", ",", "w/\"3\"", "\"a b\"", "\"3\" x", "*, \"3\""] {
            assert_eq!(versions(list), None, "{list}");
        }
    }
}
