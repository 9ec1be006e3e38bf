//! The API tests: over HTTP, each on a database of its own, the whole suite on SQLite and on PostgreSQL.
//!
//! `harness` starts databases and services; every other module tells one part of docs/api.md, and each test's
//! name is the sentence that it checks. CONTRIBUTING.md says how to run one of them.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod access;
mod addresses;
mod altered_tables;
mod backup;
mod batching;
mod binary;
mod bodies;
mod browsers;
mod conditional;
mod cors;
mod decisions;
mod disabled;
mod docs;
mod eddsa;
mod edge;
mod emails;
mod ended_sessions;
mod erasure;
mod erasure_traces;
mod events;
mod full_disk;
mod harness;
mod health;
mod held_up;
mod history;
mod honest_tests;
mod import_export;
mod known_networks;
mod large_imports;
mod members;
mod merge_patch;
mod metrics;
mod one_account;
mod operator_accounts;
mod outage;
mod outage_shapes;
mod overload;
mod password_hashes;
mod password_rules;
mod password_threads;
mod paths;
mod personal_data;
mod pooled;
mod postgres_servers;
mod prometheus;
mod races;
mod read_only;
mod refresh;
mod registration;
mod seed;
mod session_lifetimes;
mod sessions;
mod sign_in;
mod slow_clients;
mod slugs;
mod sqlite_files;
mod sqlite_moved;
mod sqlite_volumes;
mod support;
mod throttling;
mod tokens;
mod vacuum;
