"""Processes that end with the runner, whatever happens, each by its own id."""

import ctypes
import signal
import subprocess

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent():
    # Should the runner be killed without a chance to clean up, the kernel ends its children.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def start(command, **options):
    """Starts a process in a session of its own, so that Ctrl-C reaches the runner alone, which then ends it in order."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                            preexec_fn=_end_with_parent, **options)


def end(process, number=signal.SIGTERM, patience=20):
    """Ends a process: politely, then not."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
