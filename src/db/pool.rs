//! The r2d2 manager that opens connections by URL scheme.
//!
//! Diesel's own manager calls `establish()` on the derived connection, which tries one database after the
//! other and hides why each failed; this one knows which database is meant.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;

use super::connection::{DbConnection, Target};
use super::on_backend;
use crate::settings;

/// A pool of connections to one database.
pub(crate) type Pool = r2d2::Pool<Manager>;

/// Opens, checks and discards the pool's connections.
pub(crate) struct Manager {
    target: Target,
    connect_timeout: Duration,
    statement_timeout: Duration,
}

/// A pooled connection that remembers that it broke, so that the pool drops it.
pub(crate) struct Managed {
    pub(super) connection: DbConnection,
    pub(super) broken: bool,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Managed;
    type Error = diesel::ConnectionError;

    fn connect(&self) -> Result<Managed, Self::Error> {
        let mut connection = self.target.connect(self.connect_timeout, self.statement_timeout)?;
        connection.batch_execute(prelude(&connection)).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        Ok(Managed { connection, broken: false })
    }

    fn is_valid(&self, managed: &mut Managed) -> Result<(), Self::Error> {
        on_backend!(&mut managed.connection, concrete => concrete.ping())
            .map_err(diesel::ConnectionError::CouldntSetupConfiguration)
    }

    fn has_broken(&self, managed: &mut Managed) -> bool {
        managed.broken || on_backend!(&mut managed.connection, concrete => concrete.is_broken())
    }
}

/// What the service's own connections are told, beyond what every connection is.
fn prelude(connection: &DbConnection) -> &'static str {
    match connection {
        // `checkpoint` does it. Five MiB a connection hold the inner pages of millions of rows.
        DbConnection::Sqlite(_) => "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -5000",
        // The statements are few, take all they need as parameters and look rows up by index, so one plan serves
        // for good: planning anew cost more than running (docs/decisions/0009). Without the other settings a
        // plan made while the tables were empty would go on scanning them when they are not.
        // Our own locks last milliseconds: who waits a second waits for somebody's open transaction
        // (docs/decisions/0013).
        DbConnection::Postgres(_) => {
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
             SET enable_mergejoin = off; SET jit = off; SET lock_timeout = '1s'"
        }
    }
}

/// Logs at debug only: the request that waits for the connection reports the failure once, with its id.
#[derive(Debug)]
struct QuietErrors;

impl r2d2::HandleError<diesel::ConnectionError> for QuietErrors {
    fn handle_error(&self, error: diesel::ConnectionError) {
        log::debug!("could not open a connection: {error}");
    }
}

/// Makes the pool; connections are opened when they are first asked for.
pub(crate) fn build(target: Target, settings: &settings::Database, size: u32) -> Pool {
    let manager = Manager {
        target,
        connect_timeout: settings.connect_timeout(),
        statement_timeout: Duration::from_secs(settings.statement_timeout_seconds),
    };
    // Each thread keeps its connection (see `link`), so the pool neither pings nor retires.
    r2d2::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connection_timeout(settings.connect_timeout())
        .error_handler(Box::new(QuietErrors))
        .build_unchecked(manager)
}
