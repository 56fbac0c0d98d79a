"""Opens a database file only when it is ours and sound, and brings it up to date, with a copy made first."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from peewee import OperationalError, SqliteDatabase

from omniroute.store import backups
from omniroute.store.files import StoreError
from omniroute.store.migrations import APPLICATION_ID, MIGRATIONS, Migration

SMALLEST = 512
"""Bytes of a database with one page of the least size."""
WAL_TRIES = 100
WAL_PAUSE = 0.05
CONFIG_TABLES = ("meta", "config_revision", "provider_connections", "provider_nodes", "combos", "api_keys")


def inspect(path: Path, *, known: int = len(MIGRATIONS), thorough: bool = False) -> int:
    """Return the version of the database at `path`, 0 when it is still empty; nothing is written.

    Raises StoreError when it is no database, another program's, newer than we know, or damaged. What the
    history weighs is looked at only when `thorough` or when a migration is due: it would slow every start.
    """
    try:
        # SQLite takes a very short file for an empty database. Only the size is looked at: where this process has the
        # database open, closing a file handle of our own would end SQLite's locks (sqlite.org/howtocorrupt.html, 2.2),
        # and the next process to close the database would delete the log that this one goes on writing to.
        if 0 < path.stat().st_size < SMALLEST:
            raise sqlite3.DatabaseError("file is not a database")
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
            version = int(db.execute("pragma user_version").fetchone()[0])
            empty = db.execute("select 1 from sqlite_master limit 1").fetchone() is None
            if empty and version == 0:
                return 0
            if db.execute("pragma application_id").fetchone()[0] != APPLICATION_ID:
                raise StoreError(f"{str(path)!r} is another program's database; choose another data directory")
            if version > known:
                raise StoreError(
                    f"{str(path)!r} has version {version} and this program knows up to {known}: "
                    "it was written by a newer OmniRoute; upgrade, or choose another data directory"
                )
            whole = thorough or version < known
            checks = ["integrity_check"] if whole else [f"quick_check({table})" for table in CONFIG_TABLES]
            for check in checks:
                if (said := db.execute(f"pragma {check}").fetchone()[0]) != "ok":
                    raise sqlite3.DatabaseError(said)
    except (OSError, sqlite3.OperationalError) as exc:
        raise StoreError(f"the database {str(path)!r} cannot be read: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        raise StoreError(f"{str(path)!r} is damaged or no database ({exc}); it was left as it is") from exc
    return version


def use_wal(db: SqliteDatabase) -> None:
    """Switch to write-ahead logging, for good. SQLite does not wait here for another process that does the same."""
    for left in reversed(range(WAL_TRIES)):
        try:
            db.pragma("journal_mode", "wal")
        except OperationalError:
            if not left:
                raise
            time.sleep(WAL_PAUSE)
        else:
            return


def migrate(
    db: SqliteDatabase,
    path: Path,
    *,
    clock: Callable[[], float],
    migrations: Sequence[Migration] = MIGRATIONS,
    copies: bool = True,
) -> None:
    """Take the steps that are missing. A step that fails leaves the database as it was before it.

    A copy is made before each step, unless the database was empty when the first one was taken here, or is a copy
    itself.
    """
    fresh = False
    while True:
        with db.atomic("IMMEDIATE"):  # of several processes one migrates, the others wait and find it done
            version = int(db.pragma("user_version"))
            if version >= len(migrations):
                return
            if version and not fresh and copies:
                back_up(path, version, clock())
            if not version:
                fresh = True
                db.pragma("application_id", APPLICATION_ID)
            migrations[version](db)
            db.pragma("user_version", version + 1)


def back_up(path: Path, version: int, now: float) -> None:
    """Make the copy before a step."""
    try:
        backups.create(path, "migration", version, now)
    except StoreError as exc:
        raise StoreError(
            f"the backup of {str(path)!r} before a migration failed ({exc}); nothing was migrated"
        ) from exc
