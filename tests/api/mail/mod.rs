//! Mails: what is in them, how they are delivered, and what the operator sees of that.

mod changed_emails;
mod commands;
mod files;
mod letters;
mod links;
mod settings;
mod smtp;
mod tls;

use std::time::{Duration, Instant};

use clientele::ids::EntryId;
use serde_json::Value;

use crate::harness::App;

/// Waits until something is so.
#[track_caller]
fn until(is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        while !is_so() {
            assert!(started.elapsed() < Duration::from_secs(30), "{caller}");
            actix_rt::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Adds a row to the outbox, as a change would. Returns its id.
fn post(app: &App, customer: Option<i64>, content: &Value) -> i64 {
    post_due(app, customer, content, "2026-01-01 00:00:00")
}

/// Adds a row that is due at some time.
fn post_due(app: &App, customer: Option<i64>, content: &Value, due_at: &str) -> i64 {
    let id = EntryId::generate().get();
    let customer = customer.map_or("NULL".to_owned(), |id| id.to_string());
    let content = content.to_string().replace('\'', "''");
    app.execute(&format!(
        "INSERT INTO outbox (id, customer_id, kind, content, attempts, due_at)
         VALUES ({id}, {customer}, 'mail', '{content}', 0, '{due_at}')"
    ));
    id
}
