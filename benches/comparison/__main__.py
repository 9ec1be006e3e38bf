"""The command line of benches/run: sets up, runs the sections that were asked for, cleans up."""

import argparse
import datetime
import json
import pathlib
import resource
import signal
import subprocess
import sys

import growth
import machine
import overload
import table
from record import Record
from workplace import Workplace

ROOT = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(
        prog="benches/run",
        description="Compares the service with PostgreSQL's own load generator, in one interleaved run, and prints a table.",
    )
    parser.add_argument("--quick", action="store_true", help="the cells that the goals need, one second each: two minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each cell runs (3)")
    parser.add_argument("--seconds", type=int, metavar="N", help="how long each cell is measured (5; quick: 1)")
    parser.add_argument("--warm-up", type=int, metavar="N", help="seconds before each measurement (2; quick: 1)")
    parser.add_argument("--customers", type=int, default=100_000, metavar="N", help="customers in each database (100000)")
    parser.add_argument("--quiet", type=float, metavar="CORES", help="on a machine that others use: repeat a measurement during "
                        "which they kept more than CORES busy, at most four times, and take the quietest")
    parser.add_argument("--only", metavar="REGEX", help="only cells whose name matches, such as 'put/postgresql'")
    parser.add_argument("--list", action="store_true", help="list the names of the cells and stop")
    parser.add_argument("--growth", action="store_true", help="instead of the table: 10,000 against 1,000,000 customers, "
                        "renaming to a common name, idle connections")
    parser.add_argument("--largest", type=int, default=1_000_000, metavar="N", help="the larger size for --growth (1000000)")
    parser.add_argument("--overload", action="store_true", help="instead of the table: twice the peak, in an open loop")
    parser.add_argument("--all", action="store_true", help="the table, then --growth, then --overload")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="where report.md and the raw results go "
                        "(target/benchmarks/<time>)")
    parser.add_argument("--folder", type=pathlib.Path, metavar="FOLDER", help="where the throwaway databases live: a disk, "
                        "not memory (TMPDIR, or /var/tmp)")
    parser.add_argument("--binary", type=pathlib.Path, metavar="FILE", help="measure this binary instead of building one; "
                        "open-loop, which --overload needs, stands beside it")
    given = parser.parse_args()
    given.rounds = given.rounds or 3
    given.seconds = given.seconds or (1 if given.quick else 5)
    given.warm_up = (1 if given.quick else 2) if given.warm_up is None else given.warm_up
    if min(given.rounds, given.seconds, given.customers, given.largest) < 1 or given.warm_up < 0:
        parser.error("numbers must be positive")
    return given


def build():
    """Builds the release binary, and beside it the load generator for overload; says where the binary is."""
    print("building the release", file=sys.stderr)
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--workspace"], cwd=ROOT, check=True)
    metadata = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"],
                              cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"]) / "release" / "clientele"


def stop(_number, _frame):
    raise KeyboardInterrupt


def main():
    given = arguments()
    if given.list:
        print("\n".join(cell.name for cell in table.cells(given)))
        return 0
    # SIGINT too: a shell starts what runs in its background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    # A thousand connections and more need as many file descriptors, here and in the children.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    binary = (given.binary or build()).resolve()
    now = datetime.datetime.now().astimezone()
    out = given.out or ROOT / "target" / "benchmarks" / now.strftime("%Y-%m-%d-%H%M%S")
    record = Record(out, now)
    sections = [section for section, wanted in (
        (table, given.all or not (given.growth or given.overload)),
        (growth, given.all or given.growth),
        (overload, given.all or given.overload),
    ) if wanted]
    try:
        with Workplace(binary, given.folder) as workplace:
            record.say(machine.describe(ROOT, binary, workplace))
            for section in sections:
                section.run(given, workplace, record)
    except KeyboardInterrupt:
        print("benches/run: stopped; everything it started is ended", file=sys.stderr)
        return 130
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        print(f"benches/run: {error}", file=sys.stderr)
        return 1
    print(f"benches/run: raw results in {out}", file=sys.stderr)
    return 0


sys.exit(main())
