"""The throwaway databases and the services on them; leaving it ends and removes everything."""

import os
import pathlib
import secrets
import shutil
import sqlite3
import sys
import tempfile

import machine
from cluster import Cluster
from service import Service


def _place():
    """A folder for temporary files that is on a disk: in memory a durable commit costs nothing."""
    for folder in (tempfile.gettempdir(), "/var/tmp"):
        if machine.file_system(folder) not in ("tmpfs", "ramfs"):
            return folder
    raise RuntimeError("no folder for temporary files on a disk: name one with --folder")


class Workplace:
    """A context: a folder, a PostgreSQL cluster, and the loaded databases with a service each."""

    def __init__(self, binary, folder):
        self.binary = binary
        self._parent = folder or _place()
        self._secret = secrets.token_hex(32)
        self._databases = {}
        self.folder = None
        self.cluster = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="clientele-benchmark-", dir=self._parent)).resolve()
        # The server's own user must be able to pass; what is inside has modes of its own.
        self.folder.chmod(0o711)
        try:
            self.cluster = Cluster(self.folder)
            self.cluster.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for database in self._databases.values():
            database.service.stop()
        if self.cluster:
            self.cluster.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tokens(self, customers):
        """The tokens file for so many customers, which serves every database: they share the secret."""
        return self.folder / f"tokens-{customers}.tsv"

    def database(self, system, customers):
        """A database of that system with so many customers and a service that is ready on it; made when first asked for."""
        name = f"{system}_{customers}"
        if name in self._databases:
            return self._databases[name]
        if system == "postgresql":
            self.cluster.query(f"CREATE DATABASE {name}", "postgres")
            url = self.cluster.url(name)
        else:
            url = f"sqlite://{self.folder / name}.db"
        print(f"loading {customers:,} customers into {system}", file=sys.stderr)
        service = Service(name, self.binary, self.folder, url, self._secret)
        service.command("migrate", "run")
        tokens = [] if self.tokens(customers).exists() else ["--tokens", str(self.tokens(customers))]
        service.command("seed", "--customers", str(customers), *tokens)
        database = Database(system, name, customers, self, service)
        database.settle()
        self._databases[name] = database
        service.start()
        return database


class Database:
    """A loaded database and the service on it."""

    def __init__(self, system, name, customers, workplace, service):
        self.system = system
        self.name = name
        self.customers = customers
        self.service = service
        self.cluster = workplace.cluster
        self.tokens = workplace.tokens(customers)
        # Built beside the service.
        self.open_loop = str(workplace.binary.with_name("open-loop"))
        self._file = workplace.folder / f"{name}.db"

    def settle(self):
        """What an operator does after a bulk load."""
        if self.system == "postgresql":
            self.query("VACUUM ANALYZE")

    def calm(self):
        """Before a measurement of writes: no checkpoint of an earlier one's writes falls into it."""
        if self.system == "postgresql":
            self.query("CHECKPOINT")

    def query(self, statement):
        """Runs a statement beside the service and returns the first value."""
        if self.system == "postgresql":
            return self.cluster.query(statement, self.name)
        connection = sqlite3.connect(self._file, timeout=30)
        try:
            with connection:
                row = connection.execute(statement).fetchone()
            return row[0] if row else ""
        finally:
            connection.close()

    def changes(self):
        """How many changes the database holds: each stored change raised a version by one."""
        return int(self.query("SELECT SUM(version) FROM customers"))
