//! Links in mails: forgotten passwords, verification, changes of the email and their reversal.

mod changes;
mod kept;
mod networks;
mod quotas;
mod races;
mod required;
mod resets;
mod reverts;
mod squatters;
mod support_links;
mod verification;
mod without_mail;
mod wrong_links;

use serde_json::{Value, json};

use crate::harness::{App, Mailbox, PASSWORD, Person, Reply};

/// Another strong password.
const NEW: &str = "another fine Passw0rd!";

/// A service that sends mail, and the mails.
struct Shop {
    app: App,
    mailbox: Mailbox,
}

impl Shop {
    /// One that sends as many mails as a test wants.
    fn open(app: &App) -> Self {
        Self::with(app, &[("CLIENTELE__THROTTLE__MAIL_BURST", "1000")])
    }

    fn with(app: &App, overrides: &[(&str, &str)]) -> Self {
        let mailbox = Mailbox::new();
        Self { app: mailbox.instance(app, overrides), mailbox }
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.app.post(path).json(&body).send().await
    }

    /// Somebody who registered and signed in, and has verified the email.
    async fn verified(&self, email: &str) -> Person {
        let member = self.app.member(email).await;
        self.verify(&self.verification(email).await).await.expect(204);
        member
    }

    /// The token of the next verification link to an address.
    async fn verification(&self, to: &str) -> String {
        self.mailbox.wait_for(to, "confirm your email").await.token()
    }

    async fn forgot(&self, email: &str) -> Reply {
        self.post("/auth/password/forgot/", json!({"email": email})).await
    }

    /// Forgets the password, and returns the token of the link that is mailed.
    async fn reset_link(&self, email: &str) -> String {
        assert_eq!(self.forgot(email).await.expect(202).text(), "");
        self.mailbox.wait_for(email, "Set a new password").await.token()
    }

    async fn reset(&self, token: &str, password: &str) -> Reply {
        self.post("/auth/password/reset/", json!({"token": token, "new_password": password})).await
    }

    async fn verify(&self, token: &str) -> Reply {
        self.post("/auth/email/verify/", json!({"token": token})).await
    }

    async fn revert(&self, token: &str) -> Reply {
        self.post("/auth/email/revert/", json!({"token": token})).await
    }

    /// Changes the email by PATCH.
    async fn patch_email(&self, member: &Person, email: &str) {
        self.app.patch(member, &json!({"email": email})).await.expect(200);
    }

    /// The token of the next link that reverts a change, in the notice to the address before it.
    async fn revert_link(&self, to: &str) -> String {
        self.mailbox.wait_for(to, "was changed").await.token()
    }

    async fn request_change(&self, member: &Person, email: &str, password: &str) -> Reply {
        let body = json!({"email": email, "current_password": password});
        self.app.post(&format!("{}email/", member.path())).token(&member.token).json(&body).send().await
    }

    /// The token of the next link that switches to an address.
    async fn confirmation(&self, to: &str) -> String {
        self.mailbox.wait_for(to, "confirm your new email").await.token()
    }

    /// The email as its owner sees it.
    async fn email(&self, member: &Person) -> Value {
        self.app.get(&format!("{}email/", member.path())).token(&member.token).send().await.expect(200).json()
    }

    /// The kinds of the history, the oldest first.
    async fn kinds(&self, member: &Person) -> Vec<String> {
        let history = self.app.get(&format!("{}history/?limit=200", member.path())).token(&member.token).send().await;
        let history = history.expect(200).json();
        let kind = |entry: &Value| entry["kind"].as_str().expect("a kind").to_owned();
        history.as_array().expect("a list").iter().rev().map(kind).collect()
    }

    /// The kinds of the links that can be used.
    fn links(&self) -> Vec<String> {
        self.app.texts("SELECT kind AS value FROM links ORDER BY id")
    }

    /// Adds a mail that waits until [`Self::release`].
    fn hold_back(&self, customer: &Person, id: i64, content: &Value) {
        self.app.execute(&format!(
            "INSERT INTO outbox (id, customer_id, kind, content, attempts, due_at)
             VALUES ({id}, {}, 'mail', '{content}', 0, '2099-01-01 00:00:00')",
            customer.id
        ));
    }

    /// Sends what was held back.
    async fn release(&self) {
        self.app.execute("UPDATE outbox SET due_at = '2026-01-01 00:00:00' WHERE due_at > '2098-01-01 00:00:00'");
        self.mailbox.settle(&self.app).await;
    }

    /// Ends the time of all links.
    fn expire(&self) {
        self.app.execute("UPDATE links SET expires_at = '2026-01-01 00:00:00'");
    }

    /// Checks that the password is the one to sign in with.
    async fn signs_in(&self, email: &str, password: &str) -> Person {
        self.app.session_of(email, password).await
    }
}

/// Checks the one answer to every link that cannot be used.
#[track_caller]
fn is_invalid(reply: &Reply) {
    reply.problem(400, "link_invalid");
}

/// The id of a link.
fn id_of(token: &str) -> i64 {
    token.split_once('.').and_then(|(id, _)| id.parse().ok()).expect("an id")
}

/// A state without a pending change.
fn settled(email: &str, verified: bool) -> Value {
    json!({"email": email, "verified": verified, "pending": null})
}

/// Checks that somebody is signed out.
async fn is_out(app: &App, member: &Person) {
    app.profile(member).await.problem(401, "session_ended");
    app.refresh(&member.refresh).await.problem(401, "session_ended");
}

/// What everybody registered with.
const OLD: &str = PASSWORD;
