"""Validation of a database file before it is opened, and schema migration with a backup made first."""

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
"""Size in bytes of the smallest SQLite database: one page of the smallest page size."""
WAL_TRIES = 100
WAL_PAUSE = 0.05
CONFIG_TABLES = ("meta", "config_revision", "provider_connections", "provider_nodes", "combos", "api_keys")


def inspect(path: Path, *, known: int = len(MIGRATIONS), thorough: bool = False) -> int:
    """Return the schema version of the database at `path`, 0 when it is empty; nothing is written.

    Raises StoreError when it is not a database, belongs to another program, is newer than `known`, or is damaged. The
    whole file is checked only with `thorough` or before a migration; otherwise a large history would slow down each
    start.
    """
    try:
        # SQLite takes a very short file for an empty database. Only the size is read: closing a file handle of our own
        # on a database that this process has open would release SQLite's locks (sqlite.org/howtocorrupt.html, 2.2), and
        # the next process to close the database would delete the log that this process still writes to.
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
    """Describe in one sentence how to migrate a database of an older version."""
    first = f"stop the gateway that runs on it (process {pid}), then " if (pid := running_gateway(data_dir)) else ""
    return (
        f"the database in {str(data_dir)!r} has version {version} and this program needs version {len(MIGRATIONS)}: "
        f"{first}run `omniroute-ctl db migrate` or start the gateway; both keep a copy"
    )


def use_wal(db: SqliteDatabase) -> None:
    """Switch the database to write-ahead logging permanently.

    Retries, since SQLite does not wait for another process that switches at the same time.
    """
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
    """The result of a migration."""

    before: int
    after: int
    backup: str | None
    """Id of the backup made before the migration; None for an empty database."""


def migrate(
    db: SqliteDatabase,
    path: Path,
    *,
    clock: Callable[[], float],
    migrations: Sequence[Migration] = MIGRATIONS,
    copies: bool = True,
    progress: Progress = no_progress,
) -> Migrated | None:
    """Apply the missing migrations in one transaction and return the result; None when none is missing.

    A backup is made first, unless the database is empty or `copies` is False. It appears together with the result: when
    a step fails or the process is killed, the database is unchanged and there is no backup.
    """
    made = None
    try:
        with db.atomic("IMMEDIATE"), contextlib.ExitStack() as stack:  # other processes wait, then find it migrated
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
    """Make the backup before the first migration; it appears when the stack is closed. Raises StoreError."""
    try:
        return stack.enter_context(backups.preparing(path, "migration", version, now, progress=progress))
    except StoreError as exc:
        raise StoreError(
            f"the backup of {str(path)!r} before a migration failed ({exc}); nothing was migrated"
        ) from exc
