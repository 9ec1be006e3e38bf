"""What /proc tells: processor time, memory, and what the machine is."""

import os
import pathlib
import re
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CORES = len(os.sched_getaffinity(0))


def _stat(pid):
    """The fields of /proc/PID/stat after the name, or None when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def processor_seconds(pid, family=False):
    """User and system time of a process; with `family` also of its children, living and waited for."""
    fields = _stat(pid)
    if fields is None:
        return 0.0
    own = int(fields[11]) + int(fields[12])
    if family:
        own += int(fields[13]) + int(fields[14])
        for entry in os.listdir("/proc"):
            child = _stat(entry) if entry.isdigit() else None
            if child and child[1] == str(pid):
                own += int(child[11]) + int(child[12])
    return own / TICKS


def busy_seconds():
    """Processor time of the whole machine, kernel and other guests' share included, since it started."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS


def resident_mebibytes(pid):
    """Resident memory of a process."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20


def file_system(folder):
    """The type of the file system that a folder is on."""
    return subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()


def durable_write_microseconds(folder, times=200):
    """The median time of appending 8 KiB and making it durable: what each commit pays at least."""
    path, took = pathlib.Path(folder) / "durable-write", []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(times):
            started = time.perf_counter()
            os.write(descriptor, b"\0" * 8192)
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return sorted(took)[times // 2] * 1e6


def _first_line(*command, cwd=None):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    except FileNotFoundError:
        return "unknown"
    return ((done.stdout or done.stderr).strip().splitlines() or ["unknown"])[0]


def _found(pattern, path):
    match = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    return match.group(1).strip() if match else "unknown"


def describe(root, binary, workplace):
    """A list in Markdown: when, what and where was measured."""
    memory = int(_found(r"^MemTotal:\s+(\d+)", "/proc/meminfo")) / 2**20
    commit = _first_line("git", "rev-parse", "--short", "HEAD", cwd=root)
    if _first_line("git", "status", "--porcelain", "--untracked-files=no", cwd=root) != "unknown":
        commit += " with changes"
    sqlite = _found(r'name = "libsqlite3-sys"\nversion = "(.*)"', root / "Cargo.lock")
    processor = _found(r"^model name\s*:\s*(.*)", "/proc/cpuinfo")
    cluster = workplace.cluster
    # With autogroups, sessions share the processors, not threads: one more thing that a comparison should name.
    groups = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
    autogroup = groups.read_text().strip() if groups.exists() else "none"
    lines = [
        f"{CORES} cores ({processor}), {memory:.0f} GiB memory, "
        f"Linux {os.uname().release}, sched_autogroup_enabled={autogroup}, load average at the start {os.getloadavg()[0]:.2f}",
        f"databases on {file_system(workplace.folder)}; 8 KiB made durable in "
        f"{durable_write_microseconds(workplace.folder):.0f} µs",
        f"{_first_line(binary, '--version')}, commit {commit}, {_first_line('rustc', '--version')}, "
        f"libsqlite3-sys {sqlite}",
        f"{_first_line(cluster.program('postgres'), '--version')}; {cluster.describe()}",
        f"{_first_line('wrk', '--version').split(' [')[0]} with one thread; {_first_line(cluster.program('pgbench'), '--version')}, "
        "`-M prepared -j 2`",
    ]
    return "\n".join(f"- {line}" for line in lines)
