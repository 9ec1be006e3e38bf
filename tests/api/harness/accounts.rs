//! Customers, what they ask, and the tokens they ask with.

use awc::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clientele::customers::{Email, Name, NewCustomer, insert_at};
use clientele::db::DbConnection;
use clientele::http::Operator;
use clientele::ids::{CustomerId, EntryId};
use clientele::tokens::{LinkKind, LinkTokens};
use serde_json::{Value, json};

use super::app::App;
use super::http::Reply;
use super::tokens::SECRET;

/// Strong enough for everybody who does not bring another one.
pub(crate) const PASSWORD: &str = "SecureP@ssw0rd123";

/// A customer, with what is needed to ask as one.
#[derive(Clone)]
pub(crate) struct Person {
    /// The customer's id.
    pub(crate) id: i64,
    /// What to sign in with, beside [`PASSWORD`]; empty where a test gave the id alone.
    pub(crate) email: String,
    /// An access token.
    pub(crate) token: String,
    /// The refresh token of somebody who signed in; else empty.
    pub(crate) refresh: String,
}

impl Person {
    /// The path of this customer.
    pub(crate) fn path(&self) -> String {
        format!("/api/v1/customers/{}/", self.id)
    }

    /// The session of the access token.
    pub(crate) fn session(&self) -> String {
        self.claims()["sid"].as_str().expect("a sid").to_owned()
    }

    /// The claims of the access token.
    pub(crate) fn claims(&self) -> Value {
        decoded(&self.token, 1)
    }
}

/// Part 0 of a JWT is its header, part 1 the claims; nothing is verified.
pub(crate) fn decoded(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).expect("a part of a token");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// A registration with the members that are required.
pub(crate) fn registration(email: &str) -> Value {
    json!({"email": email, "first_name": "Rosa", "last_name": "Delgado", "password": PASSWORD})
}

impl App {
    /// John Doe, 123, as the seed knows him.
    pub(crate) fn john(&self) -> Person {
        self.customer(123, "john@example.com", "John", "Doe")
    }

    /// Somebody else.
    pub(crate) fn jane(&self) -> Person {
        self.customer(124, "jane@example.com", "Jane", "Roe")
    }

    /// A customer without date of birth and address.
    pub(crate) fn customer(&self, id: i64, email: &str, first_name: &str, last_name: &str) -> Person {
        insert(&mut self.connection(), id, email, first_name, last_name);
        Person { email: email.to_owned(), ..self.person(id) }
    }

    /// A customer who exists, or does not, with a good token.
    pub(crate) fn person(&self, id: i64) -> Person {
        Person { id, email: String::new(), token: self.token(id), refresh: String::new() }
    }

    /// Customers by the dozen, each with a name of its own.
    pub(crate) fn crowd(&self, count: i64) -> Vec<Person> {
        let mut connection = self.connection();
        let person = |number| {
            let id = 1_000 + number;
            insert(&mut connection, id, &format!("crowd{number}@example.com"), "Member", &format!("Number {number}"));
            self.person(id)
        };
        (0..count).map(person).collect()
    }

    /// What a registration answers.
    pub(crate) async fn register(&self, body: &Value) -> Reply {
        self.post("/api/v1/customers/").json(body).send().await
    }

    /// What a sign-in answers.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.post("/auth/token/").json(&json!({"email": email, "password": password})).send().await
    }

    /// What presenting a refresh token answers.
    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        self.post("/auth/token/refresh/").json(&json!({"refresh": token})).send().await
    }

    /// Registers somebody and signs in.
    pub(crate) async fn member(&self, email: &str) -> Person {
        self.register(&registration(email)).await.expect(201);
        self.session_of(email, PASSWORD).await
    }

    /// One more session of somebody who has registered.
    pub(crate) async fn session_of(&self, email: &str, password: &str) -> Person {
        let tokens = self.sign_in(email, password).await.expect(200).json();
        let text = |name: &str| tokens[name].as_str().expect("a token").to_owned();
        let (token, refresh) = (text("access"), text("refresh"));
        let id = decoded(&token, 1)["sub"].as_str().and_then(|sub| sub.parse().ok()).expect("an id");
        Person { id, email: email.into(), token, refresh }
    }

    /// What a PUT of this value by its owner answers.
    pub(crate) async fn change(&self, person: &Person, value: &Value) -> Reply {
        self.put(&person.path()).token(&person.token).json(value).send().await
    }

    /// What a PUT of a text by the owner answers, whatever the text is.
    pub(crate) async fn change_text(&self, person: &Person, text: &str) -> Reply {
        self.put(&person.path()).token(&person.token).text(text).send().await
    }

    /// The customer as the owner sees it.
    pub(crate) async fn show(&self, person: &Person) -> Value {
        self.profile(person).await.expect(200).json()
    }

    /// The entity tag that a GET by the owner carries.
    pub(crate) async fn etag(&self, person: &Person) -> String {
        let reply = self.profile(person).await.expect(200);
        reply.header("etag").expect("an ETag").to_owned()
    }

    /// What a PATCH by its owner answers.
    pub(crate) async fn patch(&self, person: &Person, value: &Value) -> Reply {
        let ask = self.ask(Method::PATCH, &person.path()).token(&person.token);
        ask.header("Content-Type", "application/merge-patch+json").body(value.to_string()).send().await
    }

    /// The token of a link, as if a mail with it had been sent.
    pub(crate) fn link(&self, person: &Person, kind: LinkKind, email: Option<&str>) -> String {
        let (id, tokens) = (EntryId::generate(), LinkTokens::new(SECRET.as_bytes()).expect("a key"));
        let email = email.map_or("NULL".to_owned(), |email| format!("'{email}'"));
        let (customer, kind, hash) = (person.id, kind.name(), tokens.hash(id));
        self.execute(&format!(
            "INSERT INTO links (id, customer_id, kind, hash, email, expires_at)
             VALUES ({}, {customer}, '{kind}', '{hash}', {email}, '2099-01-01 00:00:00')",
            id.get()
        ));
        tokens.derive(id)
    }

    /// What a GET by the owner answers.
    pub(crate) async fn profile(&self, person: &Person) -> Reply {
        self.get(&person.path()).token(&person.token).send().await
    }
}

fn insert(connection: &mut DbConnection, id: i64, email: &str, first_name: &str, last_name: &str) {
    let name = |text: &str| Name::from(text.to_owned());
    let new = NewCustomer::named(Email::parse(email).expect("an email"), name(first_name), name(last_name));
    insert_at(connection, Operator::of_command_line(), CustomerId::new(id).expect("an id"), &new)
        .expect("a new customer");
}
