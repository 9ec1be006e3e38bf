//! What the tests stand on: databases, services in this process, the real binary, requests and replies.

mod accounts;
mod app;
#[path = "../../support/cluster.rs"]
mod cluster;
mod database;
mod document;
mod exchange;
mod frozen;
mod http;
mod mailbox;
mod pgbouncer;
mod ports;
mod problem;
mod process;
mod proxy;
mod scrape;
mod smtp;
mod tokens;
mod tools;
mod volume;

pub(crate) use accounts::{PASSWORD, Person, decoded, registration};
pub(crate) use app::{App, run, run_on};
pub(crate) use cluster::{Cluster, newest_server};
pub(crate) use database::{Backend, Database, connect};
pub(crate) use document::{committed, fits};
pub(crate) use frozen::Frozen;
pub(crate) use http::{Ask, Reply, begin, next_reply, raw, read_reply};
pub(crate) use mailbox::{Letter, Mailbox};
pub(crate) use pgbouncer::PgBouncer;
pub(crate) use ports::free_port;
pub(crate) use process::{Binary, Finished, Serving, peak_memory};
pub(crate) use proxy::Proxy;
pub(crate) use scrape::{METRICS, Scrape, prometheus_program, promtool};
pub(crate) use smtp::{Certificates, SmtpServer, plain_url};
pub(crate) use tokens::{Forgery, SECRET, claims, hs256, now, signed_part};
pub(crate) use tools::{node, run_to_end};
pub(crate) use volume::{Volume, sqlite};

/// Expands each `async fn name(app: App)` into the tests `name::sqlite` and `name::postgres`.
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($app:ident: App) $body:block)*) => {
        $(
            $(#[$attribute])*
            async fn $name($app: $crate::harness::App) $body

            mod $name {
                #[actix_rt::test]
                async fn sqlite() {
                    $crate::harness::run($crate::harness::Backend::Sqlite, super::$name).await;
                }

                #[actix_rt::test]
                async fn postgres() {
                    $crate::harness::run($crate::harness::Backend::Postgres, super::$name).await;
                }
            }
        )*
    };
}
pub(crate) use on_both_databases;
