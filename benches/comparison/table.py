"""The table: each way of writing and reading, beside its yardsticks, interleaved."""

import dataclasses
import re
import sys
import time

import goals
import load
from record import figure, markdown, milliseconds

CONNECTIONS = (1, 8, 64, 256)
SYSTEMS = ("postgresql", "sqlite")
QUICK = {
    "put/postgresql/1", "put/postgresql/64", "put/postgresql/256", "put/sqlite/64", "get/postgresql/64", "get/sqlite/64",
    "refused/none/1", "refused/none/64", "single_statement/pgbench/1", "single_statement/pgbench/32",
    "naive_transaction/pgbench/32", "naive_transaction/pgbench/64", "select/pgbench/64",
}
TITLES = {
    "put": "PUT", "get": "GET", "live": "Actix alone: GET /health/live", "refused": "Actix alone: PUT up to the 422",
    "single_statement": "pgbench, the best single statement", "naive_transaction": "pgbench, the naive transaction",
    "select": "pgbench, select by primary key",
}
DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "pgbench": "PostgreSQL", "none": "none"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One row: what is asked, of which database (or by pgbench, or of none), over how many connections."""

    kind: str
    of: str
    connections: int

    @property
    def name(self):
        """As --only matches it."""
        return f"{self.kind}/{self.of}/{self.connections}"

    def run(self, database, seconds, warm_up):
        """Warms up, where every status is counted and none but the expected may occur; then measures."""
        writes = self.kind in ("put", "single_statement", "naive_transaction")
        if writes:
            database.calm()
        if self.of == "pgbench":
            if warm_up:
                load.pgbench(self.kind, database, self.connections, warm_up)
            return load.pgbench(self.kind, database, self.connections, seconds)
        expected = 422 if self.kind == "refused" else 200
        warm = {}
        if warm_up:
            warm = load.wrk(self.kind, database, self.connections, warm_up, statuses=True, expected=expected).values["errors"]
        before = database.changes() if writes else 0
        result = load.wrk(self.kind, database, self.connections, seconds, expected=expected)
        errors = result.values["errors"]
        for kind, count in warm.items():
            errors[f"{kind} in warm-up"] = count
        if writes:
            stored = database.changes() - before
            answered = result.values["result"]["requests"] - result.values["result"]["above_399"]
            result.values["stored"] = stored
            # What was in flight at the end may be stored too, but each answer must be.
            if stored < answered:
                errors["answered but not stored"] = answered - stored
        return result


def cells(given):
    """All cells, each yardstick among what it is compared with."""
    def cell(kind, of, *connections):
        return [Cell(kind, of, number) for number in connections]
    listed = [
        *cell("refused", "none", 1), *cell("single_statement", "pgbench", 1), *cell("put", "postgresql", 1),
        *cell("put", "sqlite", 1), *cell("put", "postgresql", 8), *cell("put", "sqlite", 8),
        *cell("single_statement", "pgbench", 32), *cell("put", "postgresql", 64), *cell("naive_transaction", "pgbench", 32),
        *cell("put", "sqlite", 64), *cell("naive_transaction", "pgbench", 64), *cell("single_statement", "pgbench", 64),
        *cell("put", "postgresql", 256), *cell("put", "sqlite", 256),
        *cell("get", "postgresql", 1), *cell("get", "sqlite", 1), *cell("get", "postgresql", 8), *cell("get", "sqlite", 8),
        *cell("select", "pgbench", 8), *cell("get", "postgresql", 64), *cell("select", "pgbench", 64),
        *cell("get", "sqlite", 64), *cell("get", "postgresql", 256), *cell("get", "sqlite", 256),
        *cell("refused", "none", 8, 64, 256), *cell("live", "none", *CONNECTIONS),
    ]
    if given.quick:
        listed = [cell for cell in listed if cell.name in QUICK]
    if given.only:
        listed = [cell for cell in listed if re.search(given.only, cell.name)]
    return listed


def run(given, workplace, record):
    """Measures all cells, round after round, and reports them and the goals."""
    chosen = cells(given)
    databases = {}
    for system in SYSTEMS:
        if any(cell.of == system or (system == "postgresql" and cell.of in ("pgbench", "none")) for cell in chosen):
            databases[system] = workplace.database(system, given.customers)
    for number in range(1, given.rounds + 1):
        for position, cell in enumerate(chosen, 1):
            print(f"round {number} of {given.rounds}, {position} of {len(chosen)}: {cell.name}", file=sys.stderr)
            database = databases.get(cell.of) or databases["postgresql"]
            record.keep(cell.name, number, _quietest(cell, database, given))
    record.say(f"{given.customers:,} customers, {given.rounds} interleaved rounds of {given.seconds} s a cell after {given.warm_up} s of "
               "warm-up; medians. CPU in cores, memory is the service's."
               + (f" A measurement during which others kept more than {given.quiet} cores busy was repeated."
                  if given.quiet is not None else ""))
    rows = sorted(chosen, key=lambda cell: (list(TITLES).index(cell.kind), list(DATABASES).index(cell.of), cell.connections))
    record.say(markdown(
        ["", "database", "connections", "per second", "lowest – highest", "p50 ms", "p99 ms", "errors", "memory MiB",
         "CPU service", "CPU database", "CPU load", "CPU other"],
        [_row(cell, record) for cell in rows],
    ))
    other = max(record.median_cpu(cell.name, "other") for cell in chosen)
    if other > 0.3:
        record.say(f"**Other processes kept up to {other:.1f} cores busy during the run: the figures are noisy.**")
    record.say(goals.table(record))


def _quietest(cell, database, given):
    """One run, or with --quiet the one of up to five that others disturbed least."""
    runs = [cell.run(database, given.seconds, given.warm_up)]
    while given.quiet is not None and runs[-1].values["cpu"]["other"] > given.quiet and len(runs) < 5:
        time.sleep(1)
        runs.append(cell.run(database, given.seconds, given.warm_up))
    return min(runs, key=lambda run: run.values["cpu"]["other"])


def _row(cell, record):
    rates = [run["rate"] for run in record.runs(cell.name)]
    errors = record.errors(cell.name)
    return [
        TITLES[cell.kind], DATABASES[cell.of], str(cell.connections), figure(record.median(cell.name, "rate")),
        f"{min(rates):,.0f} – {max(rates):,.0f}", milliseconds(record.median(cell.name, "p50")),
        milliseconds(record.median(cell.name, "p99")),
        ", ".join(f"{count} × {kind}" for kind, count in errors.items()) or "0",
        figure(record.median(cell.name, "memory")),
        *(f"{record.median_cpu(cell.name, whose):.2f}" for whose in ("service", "database", "load", "other")),
    ]
