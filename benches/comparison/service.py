"""The service's release binary on one database, as production would run it."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import process


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Service:
    """One process, one database."""

    def __init__(self, name, binary, folder, url, secret):
        self.name = name
        self._binary = str(binary)
        self._log = folder / f"{name}.log"
        self._environment = {key: value for key, value in os.environ.items()
                             if not key.startswith("CLIENTELE_") and key != "RUST_LOG"}
        self._environment |= {"DATABASE_URL": url, "CLIENTELE__AUTH__SECRET": secret, "CLIENTELE__LOG__FORMAT": "json"}
        self._folder = folder
        self._process = None
        self.url = None

    def command(self, *arguments):
        """Runs one of the binary's subcommands to its end."""
        done = subprocess.run([self._binary, *arguments], env=self._environment, cwd=self._folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"clientele {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def start(self):
        """Starts it on a free port and waits until it is ready."""
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = self._environment | {"CLIENTELE__SERVER__BIND": f"127.0.0.1:{port}"}
        if "[metrics]" in self.command("config", "show"):
            environment["CLIENTELE__METRICS__BIND"] = f"127.0.0.1:{_free_port()}"
        # Appending, so that the log can be emptied while it is written.
        with open(self._log, "ab") as log:
            self._process = process.start([self._binary, "serve"], env=environment, cwd=self._folder, stdout=log, stderr=log)
        for _ in range(300):
            if self._process.poll() is not None:
                raise RuntimeError(f"the service on {self.name} ended:\n{self._log.read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the service on {self.name} was not ready within 30 seconds")

    def stop(self):
        """SIGTERM, as an operator would."""
        process.end(self._process)

    @property
    def pid(self):
        """Of the process."""
        return self._process.pid

    def empty_log(self):
        """A line a request adds up: the file is emptied between measurements."""
        os.truncate(self._log, 0)
