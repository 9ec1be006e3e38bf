"""Overload: twice what the service can serve, in an open loop, and whether it recovers."""

import sys
import time

import goals
import load
from record import figure, markdown, milliseconds

SECONDS = 20
CLOSED = 256
# Enough that one is free at each departure, though thousands wait in the service's queue.
OPEN = 8_192
SYSTEMS = ("postgresql", "sqlite")


def run(given, workplace, record):
    """Measures and reports, on one database after the other."""
    rows, aims = [], []
    for system in SYSTEMS:
        database = workplace.database(system, given.customers)
        load.wrk("put", database, CLOSED, max(1, given.warm_up))
        peak = _closed("peak", system, database, given, record)
        rate = 2 * peak.values["rate"]
        print(f"overload on {system}: {rate:,.0f} PUT a second for {SECONDS} s", file=sys.stderr)
        database.calm()
        flood = load.wrk("overload", database, OPEN, SECONDS, RATE=round(rate))
        record.keep(f"overload/flood/{system}", 1, flood)
        time.sleep(1)
        after = _closed("recovery", system, database, given, record)
        seen = _summary(flood.values)
        rows.append([
            system, figure(peak.values["rate"]), figure(rate), figure(seen["offered"]), figure(seen["accepted"]),
            f"{seen['refused_share']:.0%}", milliseconds(seen["accepted_p99"]), milliseconds(seen["refused_p99"]),
            seen["errors"], milliseconds(seen["late_p99"]), figure(after.values["rate"]), figure(flood.values["memory"]),
        ])
        aims += [
            goals.row(f"{system}: p99 of what is accepted", seen["accepted_p99"] / 1e3, 1, at_least=False, unit=" s"),
            goals.row(f"{system}: accepted a second : peak", seen["accepted"] / peak.values["rate"], 0.8),
            goals.row(f"{system}: after : before", after.values["rate"] / peak.values["rate"], 0.9),
        ]
    record.say(f"Overload: PUT in an open loop over {OPEN:,} connections for {SECONDS} s; peak and recovery in a closed loop over "
               f"{CLOSED}. The loop was open where the lateness of departures is small; otherwise all connections were taken, and "
               "the offered rate says how much the service was asked for.")
    record.say(markdown(
        ["", "peak /s", "target /s", "offered /s", "accepted /s", "refused (503)", "accepted p99 ms", "refused p99 ms",
         "other errors", "lateness p99 ms", "after /s", "memory MiB"], rows))
    record.say(goals.show(aims))


def _closed(name, system, database, given, record):
    database.calm()
    result = load.wrk("put", database, CLOSED, max(given.seconds, 3))
    record.keep(f"overload/{name}/{system}", 1, result)
    return result


def _summary(values):
    result = values["result"]
    seconds = result["since_first_departure"] / 1e6
    statuses = {status: count for status, count in result.items() if status.isdigit()}
    others = {status: count for status, count in statuses.items() if status not in ("200", "503")}
    others |= {kind: result[kind] for kind in ("connect", "read", "write", "timeout") if result[kind]}
    return {
        "offered": result["requests"] / seconds,
        "accepted": statuses.get("200", 0) / seconds,
        "refused_share": statuses.get("503", 0) / max(1, result["requests"]),
        "accepted_p99": result["accepted_p99"] / 1e3,
        "refused_p99": result["refused_p99"] / 1e3,
        "late_p99": result["late_p99"] / 1e3,
        "errors": ", ".join(f"{count} × {kind}" for kind, count in others.items()) or "0",
    }
