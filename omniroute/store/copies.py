"""Whole, private copies of a database that others go on writing to."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from omniroute.store.files import StoreError, sync

SPARE = 16 * 1024 * 1024
"""Bytes that stay free beside a copy: a full disk would stop the gateway's own writing."""
DRAFT = ".copy-"
LEFT_BEHIND = 3600.0
"""Seconds after which a draft is that of a process that was killed."""
SIDES = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""


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
    draft = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=DRAFT)
        os.close(handle)
        yield (draft := Path(name))
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
    finally:
        if draft:
            remove(draft)


def copy_database(source: Path, target: Path, *, without: Sequence[str] = (), replace: bool = False) -> int:
    """Copy a database as last committed, and give the bytes of the copy, which is one file of mode 0600.

    The rows of the tables `without` are left out, and nothing of them stays in the file. It is sound, or StoreError
    says why there is none.
    """
    with draft_of(target, replace=replace) as draft:
        try:
            return _copy(source, draft, without)
        except sqlite3.Error as exc:
            raise StoreError(f"{str(source)!r} cannot be copied: {exc}") from exc


def remove(database: Path) -> None:
    """Delete a database that nobody uses, and what SQLite put beside it."""
    for side in SIDES:
        database.with_name(database.name + side).unlink(missing_ok=True)


def sweep(directory: Path, now: float) -> None:
    """Delete the drafts of processes that were killed."""
    for draft in directory.glob(f"{DRAFT}*"):
        with contextlib.suppress(FileNotFoundError):
            if now - draft.stat().st_mtime > LEFT_BEHIND:
                draft.unlink()


def _copy(source: Path, draft: Path, without: Sequence[str]) -> int:
    with (
        contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True, timeout=5)) as live,
        contextlib.closing(sqlite3.connect(draft)) as copy,
    ):
        pages, page = (int(live.execute(f"pragma {what}").fetchone()[0]) for what in ("page_count", "page_size"))
        need_room(draft.parent, pages * page * (2 if without else 1))
        live.backup(copy)  # one step: a moment of the database, while others write on
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
