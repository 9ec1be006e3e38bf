"""A throwaway PostgreSQL cluster with durable defaults, reached through a socket in a private folder."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

import process

SETTINGS = {"max_connections": "200", "shared_buffers": "256MB"}


def _programs():
    """The folder of the newest server: Debian's place, or wherever pgbench is found."""
    def version(path):
        return float(path.split("/")[4])
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=version)
    found = shutil.which("pgbench")
    return pathlib.Path(folders[-1] if folders else pathlib.Path(os.path.realpath(found)).parent)


class Cluster:
    """The server and what is asked of it with psql."""

    def __init__(self, folder):
        self._programs = _programs()
        self._data = folder / "postgresql"
        self._log = folder / "postgresql.log"
        self.socket = folder / "socket"
        self._server = None
        # PostgreSQL refuses to run as root; Debian's package made a user for it.
        self._as_user = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        for path in (self._data, self.socket):
            path.mkdir(mode=0o700)
            if self._as_user:
                os.chown(path, user.pw_uid, user.pw_gid)

    def program(self, name):
        """The path of one of PostgreSQL's programs."""
        return str(self._programs / name)

    def describe(self):
        """What differs from the defaults, and what matters of those."""
        shown = {name: self.query(f"SHOW {name}", "postgres") for name in ("fsync", "synchronous_commit", "full_page_writes")}
        pairs = [f"{name}={value}" for name, value in (shown | SETTINGS).items()]
        return ", ".join(pairs) + ", other settings at their defaults, Unix socket"

    def start(self):
        """Makes the cluster and starts the server."""
        subprocess.run([self.program("initdb"), "--pgdata", self._data, "--username", "clientele", "--auth", "trust",
                        "--encoding", "UTF8", "--locale", "C.UTF-8"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as_user)
        settings = SETTINGS | {"listen_addresses": "", "unix_socket_directories": str(self.socket)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(self._log, "wb") as log:
            self._server = process.start([self.program("postgres"), "-D", self._data, *options],
                                         stdout=log, stderr=log, cwd="/", **self._as_user)
        for _ in range(300):
            if self._server.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()}")
            if (self.socket / ".s.PGSQL.5432").exists() and self._psql("SELECT 1", "postgres").returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not answer within 30 seconds")

    def stop(self):
        """A fast shutdown: open connections are closed."""
        process.end(self._server, signal.SIGINT)

    @property
    def pid(self):
        """Of the server; its backends are its children."""
        return self._server.pid

    def environment(self, database):
        """What makes psql and pgbench find the database."""
        return os.environ | {"PGHOST": str(self.socket), "PGPORT": "5432", "PGUSER": "clientele", "PGDATABASE": database}

    def url(self, database):
        """For `database.url`."""
        return f"postgres:///{database}?host={self.socket}&user=clientele"

    def _psql(self, statement, database):
        return subprocess.run([self.program("psql"), "-XAtqc", statement], env=self.environment(database), cwd="/",
                              capture_output=True, text=True)

    def query(self, statement, database):
        """Runs a statement and returns what it prints."""
        done = self._psql(statement, database)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()
