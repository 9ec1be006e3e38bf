"""Keeps what was measured: raw results line by line, and the report in Markdown."""

import json
import statistics


class Record:
    """A folder with `report.md`, `results.jsonl` (one line a run) and `output.txt` (what the load generators printed)."""

    def __init__(self, folder, now):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._runs = {}
        self._append("report.md", f"Measured on {now:%Y-%m-%d at %H:%M %Z} by `benches/run`.\n\n")

    def _append(self, name, text):
        with open(self._folder / name, "a", encoding="utf-8") as file:
            file.write(text)

    def say(self, text):
        """Prints a part of the report, and keeps it."""
        print(text + "\n", flush=True)
        self._append("report.md", text + "\n\n")

    def keep(self, name, round_number, load):
        """Keeps one run."""
        values = dict(load.values)
        self._append("output.txt", f"--- {name}, round {round_number}\n{values.pop('output')}\n")
        self._append("results.jsonl", json.dumps({"name": name, "round": round_number, **values}) + "\n")
        self._runs.setdefault(name, []).append(values)

    def runs(self, name):
        """All runs of a cell."""
        return self._runs.get(name, [])

    def median(self, name, value):
        """The median over the rounds, or None where the cell was not run or has no such value."""
        found = [run[value] for run in self.runs(name) if value in run]
        return statistics.median(found) if found else None

    def median_cpu(self, name, whose):
        """The median of the cores that one kind of process kept busy."""
        return statistics.median(run["cpu"][whose] for run in self.runs(name))

    def errors(self, name):
        """The errors of all rounds, by name."""
        sums = {}
        for run in self.runs(name):
            for kind, count in run["errors"].items():
                sums[kind] = sums.get(kind, 0) + count
        return sums


def markdown(head, rows):
    """A table; the first column of text is left-aligned, figures are right-aligned."""
    aligned = ["---" if index == 0 else "--:" for index in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, aligned, *rows])


def figure(value, digits=0):
    """A number for people; a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def milliseconds(value):
    """Three significant digits or so."""
    return figure(value, 2 if value is None or value < 10 else 1 if value < 100 else 0)
