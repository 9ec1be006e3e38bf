//! Who may do what: every operation of the OpenAPI document, and what a stranger meets there.

use awc::http::Method;
use clientele::tokens::LinkKind;
use serde_json::{Value, json};

use crate::harness::{App, Forgery, Mailbox, PASSWORD, Person, Reply, now, on_both_databases, registration};

/// A method of a path.
#[derive(Clone)]
struct Operation {
    id: String,
    method: Method,
    path: String,
    is_owners: bool,
    takes_body: bool,
    success: u16,
}

/// A body that succeeds, for somebody who has signed in. A new operation has to be added here.
fn body(app: &App, operation: &Operation, member: &Person) -> Option<Value> {
    match operation.id.as_str() {
        "register" => Some(registration("new@example.com")),
        "replaceCustomer" | "patchCustomer" => Some(json!({"first_name": "Jon"})),
        "changePassword" => Some(json!({"current_password": PASSWORD, "new_password": "analytical engine no 1"})),
        "signIn" => Some(json!({"email": member.email, "password": PASSWORD})),
        "refresh" | "revoke" => Some(json!({"refresh": member.refresh})),
        "requestEmailChange" => Some(json!({"email": format!("next-{}", member.email), "current_password": PASSWORD})),
        "forgotPassword" => Some(json!({"email": member.email})),
        "resetPassword" => {
            let token = app.link(member, LinkKind::Reset, None);
            Some(json!({"token": token, "new_password": "analytical engine no 1"}))
        }
        "verifyEmail" => Some(json!({"token": app.link(member, LinkKind::Verify, None)})),
        "revertEmail" => Some(json!({"token": app.link(member, LinkKind::Revert, Some(&member.email))})),
        "getEmail" | "forgetEmailChange" | "sendVerification" => None,
        "getCustomer" | "exportCustomer" | "getHistory" | "eraseCustomer" | "listSessions" | "endSessions"
        | "endSession" => None,
        "live" | "ready" | "keys" | "openapi" | "docs" | "docsFile" => None,
        id => unreachable!("{id} is not in this table"),
    }
}

/// All operations; each GET as HEAD too.
async fn operations(app: &App) -> Vec<Operation> {
    let document = app.get("/openapi.json").send().await.expect(200).json();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let statuses = operation["responses"].as_object().expect("responses").keys();
            let success = statuses.filter(|status| status.starts_with('2')).map(|status| status.parse().expect("2xx"));
            let operation = Operation {
                id: operation["operationId"].as_str().expect("an id").to_owned(),
                method: Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"),
                path: path.clone(),
                is_owners: operation["security"] == json!([{"bearer": []}]),
                takes_body: operation.get("requestBody").is_some(),
                success: success.min().expect("a success"),
            };
            if operation.method == Method::GET {
                operations.push(Operation { method: Method::HEAD, ..operation.clone() });
            }
            operations.push(operation);
        }
    }
    operations
}

/// Those below a customer.
async fn owners(app: &App) -> Vec<Operation> {
    operations(app).await.into_iter().filter(|operation| operation.is_owners).collect()
}

/// Asks with a body that would succeed.
async fn ask(app: &App, operation: &Operation, id: &str, sid: &str, token: Option<&str>, member: &Person) -> Reply {
    let path = operation.path.replace("{id}", id).replace("{sid}", sid).replace("{file}", "swagger-ui.css");
    let mut ask = app.ask(operation.method.clone(), &path);
    if let Some(token) = token {
        ask = ask.token(token);
    }
    let body = body(app, operation, member);
    assert_eq!(body.is_some(), operation.takes_body, "{}", operation.id);
    if let Some(body) = &body {
        ask = ask.json(body);
    }
    ask.send().await
}

/// A reply to HEAD has no body to look at.
#[track_caller]
fn refused(reply: &Reply, operation: &Operation, status: u16, code: &str) {
    if operation.method == Method::HEAD {
        assert_eq!(reply.status(), status);
    } else {
        reply.problem(status, code);
    }
}

/// An instance that sends mail, so that every route exists.
fn with_mail(app: &App) -> (Mailbox, App) {
    let mailbox = Mailbox::new();
    let app = mailbox.instance(app, &[]);
    (mailbox, app)
}

on_both_databases! {
    async fn everything_below_a_customer_is_the_owners(app: App) {
        let (_mailbox, app) = with_mail(&app);
        let operations = operations(&app).await;
        assert!(operations.len() > 28, "every route of the service is there");
        for operation in operations {
            assert_eq!(operation.is_owners, operation.path.contains("{id}"), "{} {}", operation.method, operation.path);
        }
    }

    async fn without_a_good_token_every_owner_route_is_401(app: App) {
        let (_mailbox, app) = with_mail(&app);
        let member = app.member("ada@example.com").await;
        let own = member.id.to_string();
        let expired = Forgery::good(member.id).claim("exp", now() - 60).sign();
        let forged = Forgery::good(member.id).secret("another signing secret, just as long as the true one").sign();
        for operation in owners(&app).await {
            for id in [&own, "124", "me"] {
                let reply = ask(&app, &operation, id, "1", None, &member).await;
                refused(&reply, &operation, 401, "token_missing");
                assert_eq!(reply.header("www-authenticate"), Some(r#"Bearer realm="customers""#));
                for (token, code) in
                    [("garbage", "token_invalid"), (&forged, "token_invalid"), (&expired, "token_expired")]
                {
                    let reply = ask(&app, &operation, id, "1", Some(token), &member).await;
                    refused(&reply, &operation, 401, code);
                    assert!(reply.header("www-authenticate").is_some_and(|text| text.contains("invalid_token")));
                }
            }
        }
        assert_eq!(app.profile(&member).await.expect(200).header("etag"), Some("\"1\""));
    }

    async fn a_stranger_is_403_at_every_owner_route(app: App) {
        let (_mailbox, app) = with_mail(&app);
        let member = app.member("ada@example.com").await;
        let (jane, own) = (app.jane(), member.id.to_string());
        for operation in owners(&app).await {
            // Whether there is such a customer makes no difference.
            for id in [&own, "125"] {
                let reply = ask(&app, &operation, id, "1", Some(&jane.token), &member).await;
                refused(&reply, &operation, 403, "not_owner");
                let challenge = reply.header("www-authenticate");
                assert!(challenge.is_some_and(|text| text.contains("insufficient_scope")), "{challenge:?}");
            }
        }
        assert_eq!(app.profile(&member).await.expect(200).header("etag"), Some("\"1\""));
    }

    async fn what_is_no_id_is_404_at_every_owner_route(app: App) {
        let (_mailbox, app) = with_mail(&app);
        let member = app.member("ada@example.com").await;
        for operation in owners(&app).await {
            for id in ["0", "07", "7a", "ME", "-1", "9007199254740992"] {
                let reply = ask(&app, &operation, id, "1", Some(&member.token), &member).await;
                refused(&reply, &operation, 404, "not_found");
            }
            if operation.path.contains("{sid}") {
                let reply = ask(&app, &operation, "me", "x", Some(&member.token), &member).await;
                refused(&reply, &operation, 404, "not_found");
            }
        }
        assert_eq!(app.profile(&member).await.expect(200).header("etag"), Some("\"1\""));
    }

    async fn a_token_of_an_ended_session_is_401_at_every_owner_route(app: App) {
        let (_mailbox, app) = with_mail(&app);
        let member = app.member("ada@example.com").await;
        let ended = Forgery::good(member.id).claim("sid", "4711").sign();
        for operation in owners(&app).await {
            let reply = ask(&app, &operation, &member.id.to_string(), "1", Some(&ended), &member).await;
            refused(&reply, &operation, 401, "session_ended");
        }
        assert_eq!(app.profile(&member).await.expect(200).header("etag"), Some("\"1\""));
    }

    async fn the_owner_passes_at_every_owner_route(app: App) {
        let (_mailbox, app) = with_mail(&app);
        for (number, operation) in owners(&app).await.iter().enumerate() {
            let member = app.member(&format!("owner{number}@example.com")).await;
            let other = app.session_of(&member.email, PASSWORD).await.session();
            let reply = ask(&app, operation, "me", &other, Some(&member.token), &member).await;
            assert_eq!(reply.status(), operation.success, "{} {}: {reply:?}", operation.method, operation.path);
        }
    }

    async fn anybody_passes_everywhere_else(app: App) {
        let (_mailbox, app) = with_mail(&app);
        let operations = operations(&app).await;
        for (number, operation) in operations.iter().filter(|operation| !operation.is_owners).enumerate() {
            let member = app.member(&format!("owner{number}@example.com")).await;
            let reply = ask(&app, operation, "", "", None, &member).await;
            assert_eq!(reply.status(), operation.success, "{} {}: {reply:?}", operation.method, operation.path);
        }
    }
}
