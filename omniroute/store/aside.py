"""Private folders beside the database, for files that come, go, or are looked at."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from omniroute.store.files import StoreError

FOLDER = ".import-"
"""Beginning of their names."""
LEFT_BEHIND = 3600.0
"""Seconds after which such a folder is that of a process that was killed."""


@contextlib.contextmanager
def folder(data_dir: Path) -> Iterator[Path]:
    """Make one, for as long as it is needed."""
    made = make(data_dir)
    try:
        yield made
    finally:
        remove(made)


def make(data_dir: Path) -> Path:
    """Make one that `remove` takes away, and take away those of processes that were killed."""
    try:
        for left in data_dir.glob(f"{FOLDER}*"):
            if time.time() - left.stat().st_mtime > LEFT_BEHIND:
                remove(left)
        return Path(tempfile.mkdtemp(dir=data_dir, prefix=FOLDER))
    except OSError as exc:
        raise StoreError(f"{str(data_dir)!r} cannot be written: {exc.strerror}") from exc


def remove(made: Path) -> None:
    """Take a folder away with all that is in it."""
    shutil.rmtree(made, ignore_errors=True)
