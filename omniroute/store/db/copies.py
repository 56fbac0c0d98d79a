"""Consistent, private copies of a database while other processes write to it."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from omniroute.store.db import files
from omniroute.store.db.files import StoreError, sync

SPARE = 16 * 1024 * 1024
"""Bytes of disk space that must stay free after a copy, since a full disk would stop the gateway's own writes."""
PAGES = 4096
"""Number of pages copied between two progress reports."""

type Progress = Callable[[str, int, int], None]
"""Callback that gets the current step, the amount done and the total amount."""


def no_progress(what: str, done: int, total: int) -> None:
    """Ignore a progress report."""


def need_room(directory: Path, size: int) -> None:
    """Raise StoreError unless `size` bytes fit into the file system of a directory and `SPARE` bytes remain free."""
    free = shutil.disk_usage(directory).free
    if free < size + SPARE:
        raise StoreError(
            f"there is too little room in {str(directory)!r}: {free // 1024:,} KB are free "
            f"and {(size + SPARE) // 1024:,} KB are needed"
        )


@contextlib.contextmanager
def draft_of(target: Path, *, replace: bool) -> Iterator[Path]:
    """Yield a private file that becomes `target` atomically when the block ends without an exception.

    Raises StoreError when `target` cannot be written, or exists and `replace` is not set; no file is left behind then.
    """
    try:
        with files.folder(target.parent, files.DRAFT) as folder:
            draft = folder / "draft"
            draft.touch(mode=0o600)
            yield draft
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            if replace:
                os.replace(draft, target)
            else:
                os.link(draft, target)
            sync(target.parent)
    except FileExistsError as exc:
        raise StoreError(f"{str(target)!r} is there already; it was left as it is") from exc
    except OSError as exc:
        raise StoreError(f"{str(target)!r} cannot be written: {exc.strerror}") from exc


def copy_database(source: Path, target: Path, *, without: Sequence[str] = (), replace: bool = False) -> int:
    """Copy the last committed state of a database into one file of mode 0600, and return its size in bytes.

    Rows of the tables in `without` are left out, and none of their content stays in the file. Raises StoreError when
    the source cannot be copied or the copy is damaged.
    """
    with prepared(source, target, without=without, replace=replace) as size:
        return size


@contextlib.contextmanager
def prepared(
    source: Path,
    target: Path,
    *,
    without: Sequence[str] = (),
    replace: bool = False,
    progress: Progress = no_progress,
) -> Iterator[int]:
    """Copy a database as `copy_database` does; the copy appears only when the block ends without an exception."""
    with draft_of(target, replace=replace) as draft:
        try:
            size = _copy(source, draft, without, progress)
        except sqlite3.Error as exc:
            raise StoreError(f"{str(source)!r} cannot be copied: {exc}") from exc
        yield size


def _copy(source: Path, draft: Path, without: Sequence[str], progress: Progress) -> int:
    with (
        contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True, timeout=5)) as live,
        contextlib.closing(sqlite3.connect(draft)) as copy,
    ):
        pages, page = (int(live.execute(f"pragma {what}").fetchone()[0]) for what in ("page_count", "page_size"))
        need_room(draft.parent, pages * page * (2 if without else 1))
        if progress is no_progress:
            live.backup(copy)  # in one step, so that writes of other processes do not restart it
        else:  # the caller holds the write lock; otherwise each write of others would restart the copy

            def report(_status: int, left: int, total: int) -> None:
                progress("copying the database", total - left, total)

            live.backup(copy, pages=PAGES, progress=report)
        copy.execute("pragma journal_mode = delete")  # in WAL mode, reading it would need further files beside it
        _leave_out(copy, without)
        if (said := copy.execute("pragma quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(said)
    return draft.stat().st_size


def _leave_out(copy: sqlite3.Connection, tables: Sequence[str]) -> None:
    with copy:
        gone = sum(copy.execute(f"delete from {table}").rowcount for table in tables)
    if gone:
        copy.execute("vacuum")
