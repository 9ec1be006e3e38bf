//! The OpenAPI document before the eyes of others: a linter, and a tool that tries the service as the document says.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{App, Backend, Mailbox, node, run, run_to_end};

#[actix_rt::test]
async fn a_linter_finds_nothing_in_the_document() {
    let arguments = ["lint", "--config", "redocly.yaml", "--format", "json", "../../docs/openapi.json"];
    let printed = node("node_modules/@redocly/cli/bin/cli.js", &arguments).await;
    let found: Value = serde_json::from_str(&printed).expect("JSON");
    for kind in ["errors", "warnings", "ignored"] {
        assert_eq!(found["totals"][kind], 0, "{found:#}");
    }
}

/// An instance that takes as many requests as one client sends, and sends mail, so that every route exists.
fn unthrottled(app: &App, mailbox: &Mailbox) -> App {
    let limits = ["ADDRESS_BURST", "ADDRESS_PER_MINUTE", "ACCOUNT_BURST", "ACCOUNT_PER_MINUTE", "MAIL_BURST"]
        .map(|name| format!("CLIENTELE__THROTTLE__{name}"));
    let overrides: Vec<_> = limits.iter().map(|name| (name.as_str(), "1000000")).collect();
    mailbox.instance(app, &overrides)
}

/// Runs schemathesis on the document and a service; it fails when it finds something.
async fn try_all(app: &App, arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("schemathesis");
    command
        .args(["run", "--url", &format!("http://{}", app.address), "--checks", "all"])
        // tests/schemathesis.py has a narrower one in its place.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--seed", "1", "--generation-deterministic", "--max-examples", "15"])
        .args(["--suppress-health-check", "all", "--no-color"])
        .args(arguments)
        .arg(root.join("docs/openapi.json"))
        .env("SCHEMATHESIS_HOOKS", root.join("tests/schemathesis.py"))
        .env("SCHEMATHESIS_TELEMETRY", "off")
        .current_dir(scratch.path());
    run_to_end(command).await;
}

#[actix_rt::test]
async fn the_service_does_to_anybody_as_the_document_says() {
    run(Backend::Sqlite, async |app: App| {
        let mailbox = Mailbox::new();
        try_all(&unthrottled(&app, &mailbox), &[]).await;
    })
    .await;
}

#[actix_rt::test]
async fn the_service_does_to_a_customer_as_the_document_says() {
    run(Backend::Sqlite, async |app: App| {
        let mailbox = Mailbox::new();
        let app = unthrottled(&app, &mailbox);
        // Of no session, so that it outlives those that are ended on the way.
        let token = app.token(app.member("ada@example.com").await.id);
        let header = format!("Authorization: Bearer {token}");
        // Nothing is left to be tried after the erasure, so it comes last.
        for erasure in ["--exclude-operation-id", "--include-operation-id"] {
            try_all(&app, &["--header", &header, erasure, "eraseCustomer"]).await;
        }
    })
    .await;
}
