//! The OpenAPI document: the same everywhere, complete, and with examples that work.
//!
//! That requests and replies are as it says is checked by the harness, at every exchange of every test.

use std::collections::BTreeSet;

use awc::http::Method;
use serde_json::{Value, json};

use crate::harness::{Binary, Mailbox, committed, fits, on_both_databases, registration};

/// Each operation with its path and method.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").iter();
        methods.map(move |(method, operation)| (path.clone(), method.to_uppercase(), operation))
    });
    all.collect()
}

fn document() -> Value {
    serde_json::from_str(&committed()).expect("JSON")
}

/// The example of each media type that an operation takes.
fn examples(operation: &Value) -> Vec<(&str, &Value)> {
    let content = operation["requestBody"]["content"].as_object().into_iter().flatten();
    content.map(|(media_type, content)| (media_type.as_str(), &content["example"])).collect()
}

fn is_said(text: &Value) -> bool {
    text.as_str().is_some_and(|text| !text.is_empty())
}

#[test]
fn the_binary_prints_the_document_that_is_committed() {
    assert_eq!(Binary::bare().run(&["openapi"]).done().trim_end(), committed().trim_end());
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = document();
    let operations = operations(&document);
    let names: BTreeSet<_> = operations.iter().filter_map(|(_, _, told)| told["operationId"].as_str()).collect();
    assert_eq!(names.len(), operations.len());
}

#[test]
fn every_operation_says_what_it_does_and_what_each_status_means() {
    for (path, method, told) in operations(&document()) {
        assert!(is_said(&told["summary"]), "{method} {path}");
        assert!(told["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{method} {path}");
        let statuses = told["responses"].as_object().expect("statuses");
        assert!(statuses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        for (status, reply) in statuses {
            assert!(is_said(&reply["description"]), "{method} {path}: {status}");
        }
    }
}

#[test]
fn every_parameter_and_every_body_has_an_example() {
    for (path, method, told) in operations(&document()) {
        for parameter in told["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["example"].is_number() || is_said(&parameter["example"]), "{method} {path}: {parameter}");
            assert!(is_said(&parameter["description"]), "{method} {path}: {parameter}");
        }
        assert_eq!(told.get("requestBody").is_some(), !examples(told).is_empty(), "{method} {path}");
        for (media_type, example) in examples(told) {
            assert!(example.is_object(), "{method} {path}: {media_type}");
            assert!(fits(&method, &path, example), "{method} {path}: {example}");
        }
    }
}

#[test]
fn a_body_that_the_document_does_not_know_does_not_fit() {
    let mut body = registration("ada@example.com");
    assert!(fits("POST", "/api/v1/customers/", &body));
    for (name, value) in [("email", json!(7)), ("nickname", json!("Ada")), ("password", json!("short"))] {
        let good = body.as_object_mut().expect("an object").insert(name.to_owned(), value);
        assert!(!fits("POST", "/api/v1/customers/", &body), "{body}");
        match good {
            Some(good) => body[name] = good,
            None => {
                body.as_object_mut().expect("an object").remove(name);
            }
        }
    }
}

on_both_databases! {
    async fn the_service_shows_the_document_that_is_committed(app: App) {
        for path in ["/openapi.json", "/openapi.json/"] {
            let reply = app.get(path).send().await.expect(200);
            assert_eq!(reply.text().trim_end(), committed().trim_end());
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
            let head = app.ask(Method::HEAD, path).send().await.expect(200);
            assert_eq!(head.text(), "");
            for name in ["content-type", "cache-control"] {
                assert_eq!(head.header(name), reply.header(name));
            }
        }
    }

    /// In their order they make a story: somebody registers, signs in, changes this and that.
    async fn every_example_of_the_document_succeeds(app: App) {
        let document = document();
        let mut told = operations(&document);
        let story = [
            "register", "signIn", "replaceCustomer", "patchCustomer", "requestEmailChange", "changePassword", "forgotPassword",
            "resetPassword", "verifyEmail", "revertEmail", "refresh", "revoke",
        ];
        let mailbox = Mailbox::new();
        let app = mailbox.instance(&app, &[]);
        told.retain(|(_, _, told)| !examples(told).is_empty());
        assert_eq!(told.len(), story.len());
        let mut token = String::new();
        for name in story {
            let (path, method, told) = told.iter().find(|(_, _, told)| told["operationId"] == name).expect(name);
            for (media_type, example) in examples(told) {
                let method = Method::from_bytes(method.as_bytes()).expect("a method");
                let ask = app.ask(method, &path.replace("{id}", "me")).header("Content-Type", media_type);
                let reply = ask.token(&token).body(example.to_string()).send().await;
                // No token and no link of this service is in the document.
                match name {
                    "refresh" => {
                        reply.problem(401, "token_invalid");
                    },
                    "resetPassword" | "verifyEmail" | "revertEmail" => {
                        reply.problem(400, "link_invalid");
                    },
                    _ => assert!((200..300).contains(&reply.status()), "{name}: {reply:?}"),
                }
                if name == "signIn" {
                    token = reply.json()["access"].as_str().expect("a token").to_owned();
                }
            }
        }
    }
}
