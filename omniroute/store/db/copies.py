"""Whole, private copies of a database that others go on writing to."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from omniroute.store.db import files
from omniroute.store.db.files import StoreError, sync

SPARE = 16 * 1024 * 1024
"""Bytes that stay free beside a copy: a full disk would stop the gateway's own writing."""
PAGES = 4096
"""Pages that are copied between two reports of progress."""

type Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def no_progress(what: str, done: int, total: int) -> None:
    """Report nothing."""


def need_room(directory: Path, size: int) -> None:
    """Raise StoreError unless so many bytes fit and some are left."""
    free = shutil.disk_usage(directory).free
    if free < size + SPARE:
        raise StoreError(
            f"there is too little room in {str(directory)!r}: {free // 1024:,} KB are free "
            f"and {(size + SPARE) // 1024:,} KB are needed"
        )


@contextlib.contextmanager
def draft_of(target: Path, *, replace: bool) -> Iterator[Path]:
    """Give a private file to write `target` in: its name appears only when all of it is there.

    StoreError when it cannot be written, or is there already and shall not be replaced; nothing is left behind then.
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
    """Copy a database as last committed, and give the bytes of the copy, which is one file of mode 0600.

    The rows of the tables `without` are left out, and nothing of them stays in the file. It is sound, or StoreError
    says why there is none.
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
    """Copy a database as `copy_database` does; the copy appears when the block ends well, and never when it fails."""
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
            live.backup(copy)  # one step: a moment of the database, while others write on
        else:  # the caller holds the write lock, or the copy would begin anew with each write of others

            def report(_status: int, left: int, total: int) -> None:
                progress("copying the database", total - left, total)

            live.backup(copy, pages=PAGES, progress=report)
        copy.execute("pragma journal_mode = delete")  # else it would want files beside it to be read
        _leave_out(copy, without)
        if (said := copy.execute("pragma quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(said)
    return draft.stat().st_size


def _leave_out(copy: sqlite3.Connection, tables: Sequence[str]) -> None:
    with copy:
        gone = sum(copy.execute(f"delete from {table}").rowcount for table in tables)
    if gone:
        copy.execute("vacuum")
