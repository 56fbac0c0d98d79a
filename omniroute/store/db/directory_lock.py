"""Locks on a data directory: shared by all processes that have its database open, exclusive for a migration."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE, PAUSE = 30.0, 0.05
"""Seconds to wait for other processes to close the database, and seconds between two attempts."""
RUNTIME = "runtime.json"
"""Name of the file in which a running gateway stores its process id and addresses."""
NAMES = (b"omniroute", b"mitm")
"""Strings of which at least one is in the command line of a gateway process."""


class DirectoryLock:
    """A lock on the directory itself, without a lock file. The operating system releases it when the process ends."""

    def __init__(self, directory: Path) -> None:
        self._descriptor: int | None = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)

    def share(self) -> None:
        """Take the lock in shared mode, with other processes that read and write."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def take_alone(self) -> bool:
        """Try to take the lock exclusively, without waiting, and return whether that succeeded."""
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def wait_alone(self, needed: Callable[[], bool]) -> bool:
        """Wait for the exclusive lock until `needed` returns False; return False on timeout."""
        end = time.monotonic() + PATIENCE
        while not self.take_alone():
            if not needed():
                return True
            if time.monotonic() > end:
                return False
            time.sleep(PAUSE)
        return True

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def running_gateway(directory: Path) -> int | None:
    """Return the process id of another running gateway of this data directory, from its runtime file, or None.

    This also finds gateways of older versions, which hold no lock. The command line, where the system shows it,
    distinguishes a gateway from an unrelated program that has reused the id of a killed one.
    """
    try:
        pid = int(json.loads((directory / RUNTIME).read_bytes())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if pid in (0, os.getpid(), os.getppid()) or not _is_alive(pid):
        return None
    try:
        command = Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return pid
    return pid if any(name in command for name in NAMES) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
