//! Mails: what is in them, how they are delivered, and what the operator sees of that.

mod changed_emails;
mod files;
mod letters;

use clientele::ids::EntryId;
use serde_json::Value;

use crate::harness::App;

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
