"""Opens a database file only when it is ours and sound, and brings it up to date, with a copy made first."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peewee import OperationalError, SqliteDatabase

from omniroute.store.db.copies import Progress, no_progress
from omniroute.store.db.directory_lock import running_gateway
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import APPLICATION_ID, MIGRATIONS, Migration
from omniroute.store.transfer import backups

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


def needs_migration(data_dir: Path, version: int) -> str:
    """Say in one sentence what a database of an older version needs."""
    first = f"stop the gateway that runs on it (process {pid}), then " if (pid := running_gateway(data_dir)) else ""
    return (
        f"the database in {str(data_dir)!r} has version {version} and this program needs version {len(MIGRATIONS)}: "
        f"{first}run `omniroute-ctl db migrate` or start the gateway; both keep a copy"
    )


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


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration has done."""

    before: int
    after: int
    backup: str | None
    """The id of the copy of what was there before; None for a database that was empty."""


def migrate(
    db: SqliteDatabase,
    path: Path,
    *,
    clock: Callable[[], float],
    migrations: Sequence[Migration] = MIGRATIONS,
    copies: bool = True,
    progress: Progress = no_progress,
) -> Migrated | None:
    """Take the steps that are missing, all in one transaction, and return what was done; None when none is missing.

    One copy is made before the first step, unless the database is empty or a copy itself. It appears together with
    the result: when a step fails, or the process is killed, the database stays as it was and there is no copy.
    """
    made = None
    try:
        with db.atomic("IMMEDIATE"), contextlib.ExitStack() as stack:  # other processes wait, and find it done
            version = int(db.pragma("user_version"))
            if version >= len(migrations):
                return None
            if version and copies:
                made = _back_up(stack, path, version, clock(), progress)
            if not version:
                db.pragma("application_id", APPLICATION_ID)
            for number in range(version, len(migrations)):
                progress(f"migrating to version {len(migrations)}", number - version, len(migrations) - version)
                migrations[number](db)
            db.pragma("user_version", len(migrations))
    except BaseException:
        if made:  # the commit itself failed
            made.path.unlink(missing_ok=True)
        raise
    progress("done", 1, 1)
    return Migrated(version, len(migrations), made.id if made else None)


def _back_up(stack: contextlib.ExitStack, path: Path, version: int, now: float, progress: Progress) -> backups.Backup:
    """Make the copy before the first step; it appears when the stack is closed."""
    try:
        return stack.enter_context(backups.preparing(path, "migration", version, now, progress=progress))
    except StoreError as exc:
        raise StoreError(
            f"the backup of {str(path)!r} before a migration failed ({exc}); nothing was migrated"
        ) from exc
