//! PgBouncer between the service and PostgreSQL.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::http::TIMEOUT;

/// A pooler of its own, on a free port; killed when dropped.
pub(crate) struct PgBouncer {
    /// The database behind it, as `DATABASE_URL` takes it.
    pub(crate) url: String,
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl PgBouncer {
    /// A pooler of some sessions of the database that a URL names, in a mode.
    pub(crate) fn to(url: &str, mode: &str, sessions: u32) -> Self {
        let server: url::Url = url.parse().expect("a URL");
        let mut url = server.clone();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        url.set_port(Some(port)).expect("a URL with a port");
        drop(listener);
        let folder = tempfile::tempdir().expect("a folder");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = {sessions}\n\
             [users]\n",
            server.port().expect("a port")
        );
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder for all");
        fs::write(folder.path().join("pgbouncer.ini"), settings).expect("its settings");
        let mut pooler = Self { url: url.into(), port, child: None, folder };
        pooler.start();
        pooler
    }

    /// Starts it, again after [`Self::stop`].
    pub(crate) fn start(&mut self) {
        // Debian keeps it out of PATH, and it does not run as root.
        let mut command = Command::new("/usr/sbin/pgbouncer");
        command
            .arg(self.folder.path().join("pgbouncer.ini"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((uid, gid)) = super::cluster::server_user().expect("a user") {
            command.uid(uid).gid(gid);
        }
        self.child = Some(command.spawn().expect("PgBouncer"));
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < TIMEOUT, "PgBouncer does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("its end");
            child.wait().expect("its end");
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.stop();
    }
}
