"""Runs wrk and pgbench against a database's service, or beside it, and measures what they say and what it cost."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import machine
import process

BENCHES = pathlib.Path(__file__).resolve().parents[1]
# What a load generator may take longer than asked for, in seconds, before it is ended.
PATIENCE = 60


class Load:
    """Outcome of one run: `rate` in 1/s, `p50` and `p99` in ms, `errors` by name, `cpu` in cores, `memory` in MiB."""

    def __init__(self, rate, p50, p99, errors, measured, **more):
        self.values = {"rate": rate, "p50": p50, "p99": p99, "errors": errors, **measured, **more}


def _measure(command, environment, folder, database, seconds):
    """Runs a load generator to its end; returns its output, the processor time by process, and the largest memory."""
    service, server = database.service.pid, database.cluster.pid
    before = {
        "service": machine.processor_seconds(service),
        "database": machine.processor_seconds(server, family=True),
        "all": machine.busy_seconds(),
        "runner": time.process_time(),
    }
    started = time.monotonic()
    memory = 0.0
    with tempfile.TemporaryFile("w+", dir=folder) as output:
        load = process.start(command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                pid, status, usage = os.wait4(load.pid, os.WNOHANG)
                if pid:
                    load.returncode = os.waitstatus_to_exitcode(status)
                    break
                memory = max(memory, machine.resident_mebibytes(service))
                if time.monotonic() > started + seconds + PATIENCE:
                    raise RuntimeError(f"{command[0]} did not end")
                time.sleep(0.1)
        finally:
            process.end(load)
        took = time.monotonic() - started
        output.seek(0)
        text = output.read()
    if load.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {text.strip()[-2000:]}")
    used = {
        "service": machine.processor_seconds(service) - before["service"],
        "database": machine.processor_seconds(server, family=True) - before["database"],
        "load": usage.ru_utime + usage.ru_stime,
    }
    runner = time.process_time() - before["runner"]
    used["other"] = max(0.0, machine.busy_seconds() - before["all"] - sum(used.values()) - runner)
    cpu = {name: spent / took for name, spent in used.items()}
    return text, {"cpu": cpu, "memory": memory, "output": text}


def _result(text):
    """The line for programs that our load generators end with."""
    return json.loads(re.search(r"^RESULT (.*)$", text, re.MULTILINE).group(1))


def wrk(script, database, connections, seconds, statuses=False, expected=200, **variables):
    """One run of a wrk script. `statuses` counts each status, at a price; without it wrk tells those above 399 alone."""
    environment = os.environ | {"TOKENS": str(database.tokens)} | {name: str(value) for name, value in variables.items()}
    environment.pop("STATUSES", None)
    if statuses:
        environment["STATUSES"] = "1"
    # One thread: it is never the bottleneck, and two would take turns with the service's on few cores.
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency",
               "-s", str(BENCHES / "wrk" / f"{script}.lua"), database.service.url]
    database.service.empty_log()
    text, measured = _measure(command, environment, database.tokens.parent, database, seconds)
    result = _result(text)
    errors = {name: result[name] for name in ("connect", "read", "write", "timeout")}
    if statuses:
        errors |= {status: count for status, count in result.items() if status.isdigit() and int(status) != expected}
    elif expected == 200:
        errors["above 399"] = result["above_399"]
    else:
        errors["not refused"] = max(0, result["requests"] - result["above_399"])
    return Load(result["requests"] / result["microseconds"] * 1e6, result["p50"] / 1e3, result["p99"] / 1e3,
                {name: count for name, count in errors.items() if count}, measured, result=result)


def open_loop(database, rate, seconds):
    """One run of PUTs at a fixed rate, whatever becomes of them. `served` is what was answered 200 until the end, in 1/s."""
    command = [database.open_loop, "--rate", f"{rate:.0f}", "--seconds", str(seconds), "--tokens", str(database.tokens),
               database.service.url.removeprefix("http://")]
    database.service.empty_log()
    text, measured = _measure(command, None, database.tokens.parent, database, seconds)
    result = _result(text)
    errors = {name: count for name, count in result.items()
              if count and (name in ("broken", "unanswered") or name.isdigit() and name not in ("200", "503"))}
    return Load(result["requests"] / seconds, result.get("200_p50", 0) / 1e3, result.get("200_p99", 0) / 1e3, errors, measured,
                served=result.get("200", 0) / seconds, result=result)


def pgbench(script, database, clients, seconds):
    """One run of a pgbench script, statements kept prepared."""
    with tempfile.TemporaryDirectory(dir=database.tokens.parent) as folder:
        command = [database.cluster.program("pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients)),
                   "-T", str(seconds), "-D", f"customers={database.customers}", "-f", str(BENCHES / "pgbench" / f"{script}.sql"),
                   # Latencies of single transactions, of a part of them where there are many.
                   "-l", "--log-prefix", f"{folder}/log", "--sampling-rate", "1" if clients == 1 else "0.1"]
        text, measured = _measure(command, database.cluster.environment(database.name), folder, database, seconds)
        latencies = sorted(int(line.split()[2]) for path in pathlib.Path(folder).iterdir()
                           for line in path.read_text().splitlines() if line.split()[2].isdigit())
    rate = float(re.search(r"^tps = ([\d.]+)", text, re.MULTILINE).group(1))
    failed = int(re.search(r"^number of failed transactions: (\d+)", text, re.MULTILINE).group(1))

    def percentile(share):
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))] / 1e3 if latencies else float("nan")

    del measured["memory"]
    return Load(rate, percentile(0.5), percentile(0.99), {"failed": failed} if failed else {}, measured)
