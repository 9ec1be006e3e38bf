"""Overload: twice what the service can serve, in an open loop, and whether it recovers."""

import sys
import time

import goals
import load
from record import figure, markdown, milliseconds

SECONDS = 20
CLOSED = 256
# Of the closed loop's rate: among these the open loop's peak is looked for. In the open loop the load generator takes more of the
# cores that it shares with the service, so the closed loop's own rate says nothing.
STEPS = (0.7, 0.8, 0.9, 1.0, 1.1)
STEP_SECONDS = 5
SYSTEMS = ("postgresql", "sqlite")


def run(given, workplace, record):
    """Measures and reports, on one database after the other."""
    rows, aims = [], []
    for system in SYSTEMS:
        database = workplace.database(system, given.customers)
        load.wrk("put", database, CLOSED, max(1, given.warm_up))
        before = _closed("before", system, database, given, record)
        peak = 0.0
        for step in STEPS:
            rate = step * before.values["rate"]
            result = load.open_loop(database, rate, STEP_SECONDS)
            record.keep(f"overload/step {step}/{system}", 1, result)
            peak = max(peak, result.values["served"])
        rate = 2 * peak
        print(f"overload on {system}: {rate:,.0f} PUT a second for {SECONDS} s", file=sys.stderr)
        database.calm()
        flood = load.open_loop(database, rate, SECONDS)
        record.keep(f"overload/flood/{system}", 1, flood)
        time.sleep(1)
        after = _closed("after", system, database, given, record)
        seen = flood.values
        result = seen["result"]
        refused = result.get("503", 0) / SECONDS
        others = ", ".join(f"{count} × {kind}" for kind, count in seen["errors"].items()) or "0"
        rows.append([
            system, figure(peak), figure(rate), figure(seen["rate"]), figure(seen["served"]), figure(refused),
            milliseconds(seen["p99"]), milliseconds(result.get("503_p50", 0) / 1e3), milliseconds(result.get("503_p99", 0) / 1e3), others,
            milliseconds(result["late_p99"] / 1e3), figure(result["in_flight"]), f"{seen['cpu']['load']:.2f}", figure(seen["memory"]),
        ])
        aims += [
            goals.row(f"{system}: p99 of what is accepted", seen["p99"] / 1e3, 1, at_least=False, unit=" s"),
            goals.row(f"{system}: served a second : peak", goals.ratio(seen["served"], peak), 0.8),
            goals.row(f"{system}: after : before, {CLOSED} connections", goals.ratio(after.values["rate"], before.values["rate"]), 0.9),
        ]
    record.say(f"Overload: PUT in an open loop for {SECONDS} s at twice the peak; the peak is the most that was served at five rates "
               f"from {STEPS[0]:g} to {STEPS[-1]:g} times what a closed loop over {CLOSED} connections reaches. Latencies count from when a "
               "request was due. The loop was open where departures are hardly late.")
    record.say(markdown(
        ["", "peak /s", "target /s", "offered /s", "served /s", "refused (503) /s", "served p99 ms", "refused p50 ms",
         "refused p99 ms", "other errors", "lateness p99 ms", "most in flight", "CPU load", "memory MiB"], rows))
    record.say(goals.show(aims))


def _closed(name, system, database, given, record):
    database.calm()
    result = load.wrk("put", database, CLOSED, max(given.seconds, 3))
    record.keep(f"overload/{name}/{system}", 1, result)
    return result
