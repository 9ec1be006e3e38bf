//! Customers who registered and signed in, and what stands in the tables behind them.

use awc::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde_json::{Value, json};

use super::app::App;
use super::http::{Ask, Reply};

/// Strong enough for everybody who does not bring another one.
pub(crate) const PASSWORD: &str = "SecureP@ssw0rd123";

/// A customer who registered and signed in.
#[derive(Clone)]
pub(crate) struct Member {
    /// The customer's id.
    pub(crate) id: i64,
    /// What to sign in with, beside [`PASSWORD`].
    pub(crate) email: String,
    /// The access token.
    pub(crate) access: String,
    /// The refresh token.
    pub(crate) refresh: String,
}

impl Member {
    /// The path of this customer.
    pub(crate) fn path(&self) -> String {
        format!("/api/v1/customers/{}/", self.id)
    }

    /// The session of the access token.
    pub(crate) fn session(&self) -> String {
        decoded(&self.access, 1)["sid"].as_str().expect("a sid").to_owned()
    }

    /// The claims of the access token.
    pub(crate) fn claims(&self) -> Value {
        decoded(&self.access, 1)
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
    /// `POST`
    pub(crate) fn post(&self, path: &str) -> Ask {
        self.ask(Method::POST, path)
    }

    /// `DELETE`
    pub(crate) fn delete(&self, path: &str) -> Ask {
        self.ask(Method::DELETE, path)
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
    pub(crate) async fn member(&self, email: &str) -> Member {
        self.register(&registration(email)).await.expect(201);
        self.session_of(email, PASSWORD).await
    }

    /// One more session of somebody who has registered.
    pub(crate) async fn session_of(&self, email: &str, password: &str) -> Member {
        let tokens = self.sign_in(email, password).await.expect(200).json();
        let text = |name: &str| tokens[name].as_str().expect("a token").to_owned();
        let (access, refresh) = (text("access"), text("refresh"));
        let id = decoded(&access, 1)["sub"].as_str().and_then(|sub| sub.parse().ok()).expect("an id");
        Member { id, email: email.into(), access, refresh }
    }

    /// What a PATCH by its owner answers.
    pub(crate) async fn patch(&self, member: &Member, value: &Value) -> Reply {
        let ask = self.ask(Method::PATCH, &member.path()).token(&member.access);
        ask.header("Content-Type", "application/merge-patch+json").body(value.to_string()).send().await
    }

    /// The customer's representation as the owner sees it.
    pub(crate) async fn profile(&self, member: &Member) -> Reply {
        self.get(&member.path()).token(&member.access).send().await
    }

    /// Runs statements on a connection of the test's own.
    pub(crate) fn execute(&self, sql: &str) {
        self.connection().batch_execute(sql).expect("the test's statements");
    }

    /// The number that a query names `value`.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            value: i64,
        }
        diesel::sql_query(sql).get_result::<Row>(&mut self.connection()).expect("a number").value
    }

    /// The texts that a query names `value`.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Nullable<Text>)]
            value: Option<String>,
        }
        let rows = diesel::sql_query(sql).load::<Row>(&mut self.connection()).expect("texts");
        rows.into_iter().filter_map(|row| row.value).collect()
    }

    /// The number of rows of a table.
    pub(crate) fn rows(&self, table: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) AS value FROM {table}"))
    }
}
