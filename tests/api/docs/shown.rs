//! What a page shows that its commands print.

use chrono::DateTime;
use serde_json::Value;

use super::page::Block;

/// Checks what a block printed against what the page shows of it; `…` stands for any text that is not empty.
///
/// Of JSON, the page shows the last value, in whatever layout.
pub(super) fn check(place: &str, shown: &Block, printed: &str) {
    let same = match shown.language.as_str() {
        "json" => {
            let expected = serde_json::from_str(&shown.text).unwrap_or_else(|error| unreachable!("{place}: {error}"));
            let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(printed).into_iter().collect();
            values.is_ok_and(|values| values.last().is_some_and(|last| same_value(&expected, last)))
        }
        _ => same_text(shown.text.trim_end(), printed.trim_end()),
    };
    assert!(same, "{place}: the page shows\n{}\nbut this was printed:\n{printed}", shown.text);
}

fn same_value(shown: &Value, printed: &Value) -> bool {
    match (shown, printed) {
        (Value::String(shown), Value::String(printed)) => {
            let is_time = |text: &str| DateTime::parse_from_rfc3339(text).is_ok();
            same_text(shown, printed) || (is_time(shown) && is_time(printed))
        }
        (Value::Array(shown), Value::Array(printed)) => {
            shown.len() == printed.len() && shown.iter().zip(printed).all(|(shown, printed)| same_value(shown, printed))
        }
        (Value::Object(shown), Value::Object(printed)) => {
            shown.len() == printed.len()
                && shown.iter().all(|(name, shown)| printed.get(name).is_some_and(|printed| same_value(shown, printed)))
        }
        _ => shown == printed,
    }
}

fn same_text(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        // Each `…` stands for one character at least.
        let Some(begin) = rest.char_indices().skip(1).find(|(at, _)| rest[*at..].starts_with(part)) else {
            return false;
        };
        rest = &rest[begin.0 + part.len()..];
    }
    rest.strip_suffix(last).is_some_and(|hidden| !hidden.is_empty())
}

#[test]
fn a_page_that_shows_something_else_is_noticed() {
    for (shown, printed) in [("a…c", "abc"), ("…c", "abc"), ("a…", "abc"), ("a…b…c", "a-b-c"), ("abc", "abc")]
    {
        assert!(same_text(shown, printed), "{shown} {printed}");
    }
    for (shown, printed) in [("a…c", "ac"), ("a…", "a"), ("abc", "abcd"), ("a…b…c", "a-c"), ("b…", "abc")] {
        assert!(!same_text(shown, printed), "{shown} {printed}");
    }
    let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let shown = value(r#"{"a": "x…", "t": "2026-11-23T12:00:00.000Z", "n": [1]}"#);
    assert!(same_value(&shown, &value(r#"{"n":[1],"a":"xy","t":"2027-01-01T00:00:00.123Z"}"#)));
    for other in
        [r#"{"a":"xy","t":"2027-01-01T00:00:00Z"}"#, r#"{"a":"xy","t":"soon","n":[1]}"#, r#"{"a":1,"t":2,"n":3}"#]
    {
        assert!(!same_value(&shown, &value(other)), "{other}");
    }
}
