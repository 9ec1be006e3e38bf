//! The API tests: over HTTP, each on a database of its own, the whole suite on SQLite and on PostgreSQL.
//!
//! `harness` starts databases and services; every other module tells one part of docs/api.md, and each test's
//! name is the sentence that it checks. CONTRIBUTING.md says how to run one of them.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod binary;
mod customers;
mod database;
mod docs;
mod harness;
mod honest_tests;
mod mail;
mod pages;
mod passwords;
mod recovery;
mod service;
mod sessions;
