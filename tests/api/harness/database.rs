//! A database of its own for each test: a copy of a template that was migrated once.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use clientele::db::{DbConnection, migrate};
use clientele::settings::Target;
use diesel::connection::SimpleConnection;
use tempfile::TempDir;

use super::cluster::Cluster;

/// Which of the two a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A file.
    Sqlite,
    /// A database in this process's own cluster, or in that of `TEST_POSTGRES_URL`.
    Postgres,
}

/// A database that goes when it is dropped.
pub(crate) struct Database {
    /// As `DATABASE_URL` takes it.
    pub(crate) url: String,
    pub(crate) backend: Backend,
    place: Place,
}

enum Place {
    Folder { _folder: TempDir },
    Server { name: String },
    Elsewhere,
}

impl Database {
    /// One whose migrations are complete.
    pub(crate) fn migrated(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let database = Self::empty(backend);
                std::fs::write(path(&database.url), sqlite_template()).expect("a copy of the template");
                database
            }
            Backend::Postgres => Server::get().create(true),
        }
    }

    /// One that is there, and stays.
    pub(crate) fn elsewhere(backend: Backend, url: String) -> Self {
        Self { url, backend, place: Place::Elsewhere }
    }

    /// One without any table.
    pub(crate) fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::Builder::new().prefix("clientele-").tempdir().expect("a folder");
                let url = format!("sqlite://{}", folder.path().join("test.db").display());
                Self { url, backend, place: Place::Folder { _folder: folder } }
            }
            Backend::Postgres => Server::get().create(false),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Place::Server { name } = &self.place {
            Server::get().execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

/// Opens a connection as the service does.
pub(crate) fn connect(url: &str) -> DbConnection {
    let timeout = Duration::from_secs(60);
    Target::parse(url).expect("a database URL").connect(timeout, timeout).expect("a connection")
}

fn path(url: &str) -> &str {
    url.strip_prefix("sqlite://").expect("a SQLite URL")
}

fn sqlite_template() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let database = Database::empty(Backend::Sqlite);
        migrate(&mut connect(&database.url)).expect("the migrations run");
        // The last connection is closed, so the write-ahead log has gone into the file.
        std::fs::read(path(&database.url)).expect("the template")
    })
}

/// The PostgreSQL server of this process.
struct Server {
    cluster: Cluster,
    admin: Mutex<DbConnection>,
    /// Begins the name of each database of this process, and is the name of its administrator's connection.
    run: String,
}

impl Server {
    fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| {
            let cluster = Cluster::start().expect("a PostgreSQL server");
            let admin = Mutex::new(connect(cluster.admin_url()));
            let server = Self { cluster, admin, run: format!("clientele_test_{:016x}", rand::random::<u64>()) };
            server.execute(&format!("SET application_name = '{}'", server.run));
            server.drop_leftovers();
            let template = server.template();
            server.execute(&format!("CREATE DATABASE {template}"));
            migrate(&mut connect(&server.cluster.url(&template))).expect("the migrations run");
            server
        })
    }

    fn template(&self) -> String {
        format!("{}_template", self.run)
    }

    /// On somebody else's server a process leaves its template behind, as statics are not dropped: what belongs to
    /// no process that still runs is dropped by the next one.
    fn drop_leftovers(&self) {
        use diesel::prelude::*;
        use diesel::sql_types::Text;

        #[derive(QueryableByName)]
        struct Leftover {
            #[diesel(sql_type = Text)]
            datname: String,
        }

        let orphaned = "SELECT datname::text FROM pg_database d
            WHERE datname ~ '^clientele_test_[0-9a-f]{16}_' AND NOT EXISTS (
                SELECT 1 FROM pg_stat_activity a WHERE a.application_name = SUBSTR(d.datname, 1, 31))";
        let found: Vec<Leftover> = diesel::sql_query(orphaned).load(&mut *self.admin()).expect("a list of databases");
        for Leftover { datname } in found {
            self.execute(&format!("DROP DATABASE IF EXISTS {datname}"));
        }
    }

    fn create(&self, migrated: bool) -> Database {
        let name = format!("{}_{:016x}", self.run, rand::random::<u64>());
        let template = if migrated { self.template() } else { "template0".to_owned() };
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database { url: self.cluster.url(&name), backend: Backend::Postgres, place: Place::Server { name } }
    }

    fn admin(&self) -> MutexGuard<'_, DbConnection> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn execute(&self, sql: &str) {
        self.admin().batch_execute(sql).expect("the administrator's statement");
    }
}
