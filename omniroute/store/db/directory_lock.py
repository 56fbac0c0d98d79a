"""Locks on a data directory: shared by every process that has its database open, exclusive for a migration."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE, PAUSE = 30.0, 0.05
"""Seconds to wait for other processes to close the database; between two attempts."""
RUNTIME = "runtime.json"
"""The file in which a running gateway says where it is."""
NAMES = (b"omniroute", b"mitm")
"""One of these stands in the command line of a gateway."""


class DirectoryLock:
    """A lock on the directory itself, so that no file is needed. It ends with the process."""

    def __init__(self, directory: Path) -> None:
        self._descriptor: int | None = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)

    def share(self) -> None:
        """Hold it together with other processes that read and write."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def take_alone(self) -> bool:
        """Hold it alone, and say whether that is so; does not wait."""
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def wait_alone(self, needed: Callable[[], bool]) -> bool:
        """Wait until it is held alone, or is not `needed` any more; False when neither comes in time."""
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
    """Return the process id of another gateway that serves from this data directory, by the file that it keeps.

    Gateways of older versions hold no lock. Another program that has the id of one that was killed is told apart by
    its command line, where the system shows it.
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
