//! The service in this process, on a database of its own.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use actix_rt::task::JoinHandle;
use actix_web::dev::ServerHandle;
use awc::http::Method;
use clientele::db::{Batch, DbConnection, Lane};
use clientele::ids::CustomerId;
use clientele::logging;
use clientele::metrics::Metrics;
use clientele::settings::Settings;
use clientele::tokens::{AccessTokens, Keys, Principal};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use futures_util::FutureExt;

use super::database::{Backend, Database, connect};
use super::http::{Ask, TIMEOUT};
use super::tokens::SECRET;

/// A running instance of the service and the way to it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    shared: Rc<Shared>,
    settings: Rc<Settings>,
    client: awc::Client,
    /// Where this instance listens.
    pub(crate) address: SocketAddr,
    /// Where it serves its metrics, if anywhere.
    pub(crate) metrics_address: Option<SocketAddr>,
}

/// What the instances of one test have in common.
struct Shared {
    database: Database,
    running: RefCell<Vec<(ServerHandle, JoinHandle<std::io::Result<()>>)>>,
}

/// Runs one test and cleans up, whether it passes or fails.
pub(crate) async fn run(backend: Backend, test: impl AsyncFnOnce(App)) {
    run_on(Database::migrated(backend), test).await;
}

/// Runs one test on a given database, which the service migrates where it must.
pub(crate) async fn run_on(database: Database, test: impl AsyncFnOnce(App)) {
    let shared = Rc::new(Shared { database, running: RefCell::default() });
    let app = App::launch(shared, &[]);
    let outcome = AssertUnwindSafe(test(app.clone())).catch_unwind().await;
    app.stop().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl App {
    /// Another instance of the service, on the same database, with other settings.
    pub(crate) fn instance(&self, overrides: &[(&str, &str)]) -> Self {
        Self::launch(Rc::clone(&self.shared), overrides)
    }

    fn launch(shared: Rc<Shared>, overrides: &[(&str, &str)]) -> Self {
        let variables = variables(&shared.database.url, overrides);
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let settings = Settings::load(None, variables).expect("good settings");
        if std::env::var_os("RUST_LOG").is_some() {
            logging::install(&settings.log);
        }
        let mut running = clientele::server::start(&settings).expect("the service starts");
        let (address, metrics_address) = (running.address, running.metrics_address);
        let handle = running.handle();
        shared.running.borrow_mut().push((handle, actix_rt::spawn(async move { running.serve().await })));
        let connector = awc::Connector::new().limit(0).timeout(TIMEOUT);
        let client = awc::Client::builder().connector(connector).timeout(TIMEOUT).disable_redirects().finish();
        Self { shared, settings: Rc::new(settings), client, address, metrics_address }
    }

    /// The same database and settings, with the service at another address: in another process.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    async fn stop(&self) {
        let running = self.shared.running.take();
        for (handle, serving) in running {
            handle.stop(false).await;
            serving.await.expect("the server ends").expect("the server ends well");
        }
    }

    /// Which database this runs on.
    pub(crate) fn backend(&self) -> Backend {
        self.shared.database.backend
    }

    /// The URL of this test's database.
    pub(crate) fn database_url(&self) -> &str {
        &self.shared.database.url
    }

    /// Another database for this test, without any table.
    pub(crate) fn empty_database(&self) -> Database {
        Database::empty(self.shared.database.backend)
    }

    /// A batching lane of the test's own, with one thread, on the same database.
    pub(crate) fn lane<B: Batch>(&self) -> Lane<B> {
        let mut settings = Settings::clone(&self.settings);
        settings.database.writers = 1;
        let target = settings.target().expect("a target");
        let database = clientele::db::Database::start(&settings, target, &Metrics::default()).expect("threads");
        Lane::start(&database).expect("a lane")
    }

    /// A connection of the test's own.
    pub(crate) fn connection(&self) -> DbConnection {
        connect(self.database_url())
    }

    /// A good access token.
    pub(crate) fn token(&self, id: i64) -> String {
        let principal = Principal { customer: CustomerId::new(id).expect("an id"), session: None };
        let keys = Keys::load(&self.settings.auth, SECRET.as_bytes()).expect("keys");
        let tokens = AccessTokens::new(&self.settings.auth, keys);
        tokens.issue(principal, Duration::from_secs(3600)).expect("a token")
    }

    /// A request to be completed and sent.
    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask {
        Ask::new(self.client.request(method, format!("http://{}{path}", self.address)))
    }

    /// `GET`
    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    /// `PUT`
    pub(crate) fn put(&self, path: &str) -> Ask {
        self.ask(Method::PUT, path)
    }

    /// `POST`
    pub(crate) fn post(&self, path: &str) -> Ask {
        self.ask(Method::POST, path)
    }

    /// `DELETE`
    pub(crate) fn delete(&self, path: &str) -> Ask {
        self.ask(Method::DELETE, path)
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

/// The variables that every instance runs with, and those of the test.
pub(crate) fn variables(database_url: &str, overrides: &[(&str, &str)]) -> Vec<(String, String)> {
    let common = [
        ("DATABASE_URL", database_url),
        ("CLIENTELE__SERVER__BIND", "127.0.0.1:0"),
        ("CLIENTELE__SERVER__WORKERS", "1"),
        ("CLIENTELE__DATABASE__THREADS", "2"),
        ("CLIENTELE__AUTH__SECRET", SECRET),
        ("CLIENTELE__AUTH__WRONG_PASSWORD_MILLISECONDS", "0"),
        // Mail has tests of its own.
        ("CLIENTELE__MAIL__TRANSPORT", "none"),
    ];
    let kept = common.iter().filter(|(name, _)| overrides.iter().all(|(other, _)| other != name));
    kept.chain(overrides).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
