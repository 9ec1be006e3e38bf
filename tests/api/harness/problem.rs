//! What every error reply must be.

use serde_json::{Value, json};

use super::http::Reply;

impl Reply {
    /// Checks everything that holds for every problem (RFC 9457, docs/api.md).
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], "about:blank", "{body}");
        for member in ["title", "detail", "request_id"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        assert_eq!(self.header("x-request-id"), body["request_id"].as_str());
        match code {
            "validation_failed" => assert!(body["errors"].is_array(), "{body}"),
            "email_taken" => {
                let error = &body["errors"][0];
                assert_eq!((&error["pointer"], &error["code"]), (&json!("#/email"), &json!("taken")), "{body}");
            }
            _ => assert_eq!(body.get("errors"), None, "{body}"),
        }
        self.leaks_nothing();
        self
    }

    /// Checks that exactly these members are refused, for these reasons, in any order.
    #[track_caller]
    pub(crate) fn fields(&self, expected: &[(&str, &str)]) {
        self.problem(422, "validation_failed");
        let body = self.json();
        let errors = body["errors"].as_array().expect("a list of errors");
        for error in errors {
            assert!(error["detail"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
            let numbers: &[&str] = match error["code"].as_str() {
                Some("too_short") => &["min"],
                Some("too_long") => &["max"],
                Some("out_of_range") => &["max", "min"],
                _ => &[],
            };
            let params = error["params"].as_object().map(|params| params.keys().cloned().collect::<Vec<_>>());
            assert_eq!(params.unwrap_or_default(), numbers, "{error}");
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut found: Vec<_> = errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect();
        let mut expected: Vec<_> = expected.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    /// No SQL, no path, no cause.
    #[track_caller]
    fn leaks_nothing(&self) {
        let text = self.text().to_lowercase();
        for leak in ["select ", "update ", "insert into", "constraint", "sqlite", "postgres", "panick", "/src/", ".rs:"]
        {
            assert!(!text.contains(leak), "{leak} in {text}");
        }
    }
}
