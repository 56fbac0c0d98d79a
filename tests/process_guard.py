"""End the processes of a test run when the run itself is gone, however it ended.

A fixture that starts a process also stops it, but no fixture runs after `kill -9`, a second Ctrl-C or a crash of an
xdist worker. `start` puts a mark into the environment, which all descendants inherit, and starts a guard: this file as
a script, in a session of its own. Its standard input is a pipe from the run. The end of that pipe is the end of the
run, for whatever reason; then the guard ends each process that still carries the mark.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

MARK = "OMNIROUTE_TEST_RUN"
GRACE = 2.0
"""Seconds that processes have to end after each signal."""


def start() -> "subprocess.Popen[bytes]":
    """Mark this process's descendants and start their guard; closing its standard input ends them."""
    os.environ[MARK] = uuid.uuid4().hex
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, os.environ[MARK]],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != MARK},
    )


def marked(mark: str) -> list[int]:
    """Give the ids of the processes that carry the mark."""
    wanted = f"{MARK}={mark}"
    return [pid for pid, environ in _environs() if wanted in environ]


def commands(mark: str) -> dict[int, str]:
    """Give the command lines of the processes that carry the mark, by process id."""
    found = {}
    for pid in marked(mark):
        listed = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if listed.stdout:
            found[pid] = listed.stdout.strip()
    return found


def _environs() -> Iterator[tuple[int, list[str]]]:
    proc = Path("/proc")
    if (proc / "self/environ").exists():
        for folder in proc.iterdir():
            with contextlib.suppress(OSError, ValueError):  # it has ended, is another user's, or is no process
                yield int(folder.name), (folder / "environ").read_text("utf-8", "replace").split("\0")
        return
    listed = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        pid, *words = line.split()
        yield int(pid), words


def end(mark: str) -> None:
    """Ask the marked processes to stop, and kill those that do not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        signalled: set[int] = set()
        while (left := set(marked(mark))) and time.monotonic() < deadline:
            for pid in left - signalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
            signalled |= left
            time.sleep(0.05)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(sys.argv[1])
