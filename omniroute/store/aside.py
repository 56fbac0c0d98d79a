"""Private folders for files that come, go, or are looked at: each is locked by its process for as long as it is used.

The lock ends with the process, however that ends, so a folder without one was left behind and can be removed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from omniroute.store.files import StoreError

FOLDER = ".import-"
"""Beginning of the names of folders of imports."""
DRAFT = ".copy-"
"""Beginning of the names of folders in which copies are written."""
LEFT_BEHIND = 3600.0
"""Seconds after which a file is that of a process that was killed, where no lock says more."""

_locks: dict[Path, int] = {}
"""Folder of this process -> the descriptor that holds its lock."""


@contextlib.contextmanager
def folder(parent: Path, prefix: str = FOLDER) -> Iterator[Path]:
    """Make one, for as long as it is needed."""
    made = make(parent, prefix)
    try:
        yield made
    finally:
        remove(made)


def make(parent: Path, prefix: str = FOLDER) -> Path:
    """Make one that `remove` takes away."""
    try:
        while True:
            made = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
            descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):  # a file system without locks: only age tells then
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if made.exists():
                _locks[made] = descriptor
                return made
            os.close(descriptor)  # another process took it for a leftover before it was locked
    except OSError as exc:
        raise StoreError(f"{str(parent)!r} cannot be written: {exc.strerror}") from exc


def remove(made: Path) -> None:
    """Take a folder away with all that is in it."""
    shutil.rmtree(made, ignore_errors=True)
    if (descriptor := _locks.pop(made, None)) is not None:
        os.close(descriptor)


def is_in_use(made: Path) -> bool:
    """Say whether a process, this one or another, still works in a folder."""
    try:
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return not _is_old(made)
    else:
        return False
    finally:
        os.close(descriptor)


def sweep(directory: Path, prefix: str, *, alone: bool = False) -> list[Path]:
    """Delete what killed processes left behind, and return it.

    `alone` says that no other process uses the data directory, so also files without locks belong to none.
    """
    gone = []
    with contextlib.suppress(FileNotFoundError):
        for left in sorted(directory.glob(f"{prefix}*")):
            if left.is_symlink():
                continue
            if left.is_dir():
                if not is_in_use(left):
                    shutil.rmtree(left, ignore_errors=True)
                    gone.append(left)
            elif alone or _is_old(left):
                left.unlink(missing_ok=True)
                gone.append(left)
    return gone


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > LEFT_BEHIND
    except FileNotFoundError:
        return False
