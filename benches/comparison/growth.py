"""Growth: many customers against few, renaming to a common name, and connections that idle."""

import socket
import sys
import time
import urllib.parse

import goals
import load
import machine
from record import figure, markdown, milliseconds

SMALL = 10_000
IDLE = 1_000
SYSTEMS = ("postgresql", "sqlite")
YARDSTICKS = {"single_statement": 32, "select": 64}
COMMON = ("John", "Doe", "john", "doe")


def run(given, workplace, record):
    """Measures and reports."""
    sizes = (SMALL, given.largest)
    databases = {(system, size): workplace.database(system, size) for system in SYSTEMS for size in sizes}
    idle = {system: _idle(databases[system, SMALL].service) for system in SYSTEMS}
    plain = [(kind, system, size) for kind in ("put", "get") for system in SYSTEMS for size in sizes]
    # How much of it is the database's own.
    plain += [(kind, "postgresql", size) for kind in YARDSTICKS for size in sizes]
    _rounds(given, databases, record, plain, {})
    # Only now: PUT would give each holder of the common name the old name back.
    holders = given.largest // 10
    for system in SYSTEMS:
        _share_a_name(databases[system, given.largest], holders)
    others = _without_holders(workplace.tokens(given.largest), holders)
    renames = [(kind, system, given.largest) for system in SYSTEMS for kind in ("rename_common", "rename_fresh")]
    _rounds(given, databases, record, renames, {"TOKENS": others})
    record.say(f"Growth: 64 connections, {given.rounds} interleaved rounds of {given.seconds} s; for the renaming {holders:,} of "
               f"{given.largest:,} customers hold the common name.")
    record.say(markdown(["", "per second", "p50 ms", "p99 ms", "errors"], [_row(record, *what) for what in plain + renames]))
    record.say(_goals(record, given.largest, idle))


def _rounds(given, databases, record, plan, variables):
    for number in range(1, given.rounds + 1):
        for kind, system, size in plan:
            print(f"growth, round {number} of {given.rounds}: {kind} on {system}, {size:,} customers", file=sys.stderr)
            database = databases[system, size]
            database.calm()
            if kind in YARDSTICKS:
                record.keep(_name(kind, system, size), number, load.pgbench(kind, database, YARDSTICKS[kind], given.seconds))
                continue
            script, _, name = kind.partition("_")
            if given.warm_up:
                load.wrk(script, database, 64, given.warm_up, statuses=True, NAME=name, **variables)
            result = load.wrk(script, database, 64, given.seconds, NAME=name, **variables)
            record.keep(_name(kind, system, size), number, result)


def _name(kind, system, size):
    return f"growth/{kind}/{system}/{size}"


def _row(record, kind, system, size):
    name = _name(kind, system, size)
    title = {"put": "PUT", "get": "GET", "single_statement": "pgbench, the best single statement",
             "select": "pgbench, select by primary key", "rename_common": "rename to the common name", "rename_fresh": "rename to a fresh name"}
    return [f"{title[kind]}, {system}, {size:,} customers", figure(record.median(name, "rate")),
            milliseconds(record.median(name, "p50")), milliseconds(record.median(name, "p99")),
            ", ".join(f"{count} × {kind}" for kind, count in record.errors(name).items()) or "0"]


def _share_a_name(database, holders):
    """Gives the first customers one name, and slugs as the service would have given them."""
    first, last, first_slug, last_slug = COMMON
    form = f"{first_slug}-{last_slug}"
    database.query(
        f"UPDATE customers SET first_name = '{first}', last_name = '{last}', first_name_slug = '{first_slug}', "
        f"last_name_slug = '{last_slug}', slug = CASE WHEN id = 1 THEN '{form}' ELSE '{form}-' || id END "
        f"WHERE id <= {holders}"
    )
    database.settle()


def _without_holders(tokens, holders):
    """The tokens of those who are to be renamed."""
    path = tokens.with_name("tokens-others.tsv")
    with open(tokens, "rb") as all_tokens, open(path, "wb") as others:
        for number, line in enumerate(all_tokens):
            if number >= holders:
                others.write(line)
    path.chmod(0o600)
    return path


def _idle(service):
    """Resident memory in MiB before and with a thousand connections that were used once and are kept."""
    address = urllib.parse.urlsplit(service.url)
    request = f"GET /health/live HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()
    before = machine.resident_mebibytes(service.pid)
    connections = []
    try:
        for _ in range(IDLE):
            connection = socket.create_connection((address.hostname, address.port), timeout=10)
            connections.append(connection)
            connection.sendall(request)
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("a connection that was to idle was refused")
        time.sleep(1)
        return before, machine.resident_mebibytes(service.pid)
    finally:
        for connection in connections:
            connection.close()


def _large_to_small(record, kind, system, largest):
    return goals.ratio(*(record.median(_name(kind, system, size), "rate") for size in (largest, SMALL)))


def _goals(record, largest, idle):
    rows = []
    for kind in ("put", "get"):
        for system in SYSTEMS:
            rows.append(goals.row(f"{kind.upper()} on {system}: {largest:,} customers : {SMALL:,}",
                                  _large_to_small(record, kind, system, largest), 0.85))
    for kind in YARDSTICKS:
        rows.append([f"for comparison: pgbench, {kind.replace('_', ' ')}: {largest:,} customers : {SMALL:,}", "",
                     figure(_large_to_small(record, kind, "postgresql", largest), 2), ""])
    for system in SYSTEMS:
        common, fresh = (record.median(_name(kind, system, largest), "rate") for kind in ("rename_common", "rename_fresh"))
        rows.append(goals.row(f"renaming on {system}: to the common name : to a fresh one", goals.ratio(common, fresh), 0.85))
    for system, (before, during) in idle.items():
        rows.append(goals.row(f"memory on {system} with {IDLE:,} idle connections (before: {before:.0f} MiB)", during, 64,
                              at_least=False, digits=0, unit=" MiB"))
    return goals.show(rows)
