"""Overload: twice what the service can serve, in an open loop, and whether it recovers."""

import statistics
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
STEP_SECONDS = 3
SYSTEMS = ("postgresql", "sqlite")


def run(given, workplace, record):
    """Measures and reports: in each round one database after the other, each with a peak of its own and a flood of twice that."""
    floods = {system: [] for system in SYSTEMS}
    for number in range(1, given.rounds + 1):
        for system in SYSTEMS:
            floods[system].append(_round(number, system, given, workplace, record))
    rows, aims = [], []
    for system, rounds in floods.items():
        def median(value):
            return statistics.median(flood[value] for flood in rounds)

        rows.append([
            system, figure(median("peak")), figure(median("target")), figure(median("offered")), figure(median("served")),
            figure(median("refused")), _each(rounds, "p99"), milliseconds(median("refused_p50")), milliseconds(median("refused_p99")),
            ", ".join(flood["errors"] for flood in rounds if flood["errors"]) or "0", milliseconds(median("late")),
            figure(median("in_flight")), f"{median('cpu'):.2f}", figure(median("memory")),
        ])
        aims += [
            goals.row(f"{system}: p99 of what is accepted", median("p99") / 1e3, 1, at_least=False, unit=" s"),
            goals.row(f"{system}: served a second : peak ({_each(rounds, 'served_to_peak', 2)})", median("served_to_peak"), 0.8),
            goals.row(f"{system}: after : before, {CLOSED} connections ({_each(rounds, 'after_to_before', 2)})",
                      median("after_to_before"), 0.9),
        ]
    record.say(f"Overload: PUT in an open loop for {SECONDS} s at twice the peak, {given.rounds} rounds. Each round has its own peak, the "
               f"most that was served at five rates from {STEPS[0]:g} to {STEPS[-1]:g} times what a closed loop over {CLOSED} connections "
               "reaches, just before the flood. Medians over the rounds, of ratios too; in brackets the rounds. Latencies count from when "
               "a request was due. The loop was open where departures are hardly late.")
    record.say(markdown(
        ["", "peak /s", "target /s", "offered /s", "served /s", "refused (503) /s", "served p99 ms, by round", "refused p50 ms",
         "refused p99 ms", "other errors", "lateness p99 ms", "most in flight", "CPU load", "memory MiB"], rows))
    record.say(goals.show(aims))


def _round(number, system, given, workplace, record):
    database = workplace.database(system, given.customers)
    load.wrk("put", database, CLOSED, max(1, given.warm_up))
    before = _closed("before", number, system, database, given, record)
    peak = 0.0
    for step in STEPS:
        result = load.open_loop(database, step * before, STEP_SECONDS)
        record.keep(f"overload/step {step}/{system}", number, result)
        peak = max(peak, result.values["served"])
    print(f"overload on {system}, round {number} of {given.rounds}: {2 * peak:,.0f} PUT a second for {SECONDS} s", file=sys.stderr)
    database.calm()
    flood = load.open_loop(database, 2 * peak, SECONDS)
    record.keep(f"overload/flood/{system}", number, flood)
    time.sleep(1)
    after = _closed("after", number, system, database, given, record)
    seen, result = flood.values, flood.values["result"]
    return {
        "peak": peak, "target": 2 * peak, "offered": seen["rate"], "served": seen["served"], "refused": result.get("503", 0) / SECONDS,
        "p99": seen["p99"], "refused_p50": result.get("503_p50", 0) / 1e3, "refused_p99": result.get("503_p99", 0) / 1e3,
        "late": result["late_p99"] / 1e3, "in_flight": result["in_flight"], "cpu": seen["cpu"]["load"], "memory": seen["memory"],
        "errors": ", ".join(f"{count} × {kind}" for kind, count in seen["errors"].items()),
        "served_to_peak": goals.ratio(seen["served"], peak) or 0.0, "after_to_before": goals.ratio(after, before) or 0.0,
    }


def _each(rounds, value, digits=0):
    return ", ".join(figure(flood[value], digits) for flood in rounds)


def _closed(name, number, system, database, given, record):
    database.calm()
    result = load.wrk("put", database, CLOSED, max(given.seconds, 3))
    record.keep(f"overload/{name}/{system}", number, result)
    return result.values["rate"]
