"""Checks of untrusted databases, which are made on a copy.

A file may contain triggers, views, virtual tables or indexes whose expressions SQLite would execute. Only a file whose
schema is textually that of its version is read at all, and only with plain selects.
"""

import contextlib
import itertools
import json
import math
import shutil
import sqlite3
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from peewee import SqliteDatabase

from omniroute.access.ip_filter import MODES
from omniroute.config.model import Config
from omniroute.config.settings_registry import RESILIENCE, Setting
from omniroute.store.config import rows, snapshot
from omniroute.store.config.ip_filter import MODE
from omniroute.store.config.settings import known
from omniroute.store.config.validation import PREFIX, base_url, combo_name, label, quoted
from omniroute.store.db.copies import need_room
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import APPLICATION_ID, MIGRATIONS
from omniroute.store.db.tables import ProviderNodes
from omniroute.store.db.upgrade import migrate

MAGIC = b"SQLite format 3\0"
MOST_BYTES = 100 * 1024 * 1024
LONGEST_VALUE = 64 * 1024 * 1024
STEPS = 1_000_000
MOST_STEPS = 20_000
"""Maximum number of runs of `STEPS` steps of SQLite's virtual machine; the largest allowed file takes some hundreds."""

HOLDS: dict[str, tuple[type, ...]] = {"text": (str,), "integer": (int,), "real": (int, float), "blob": (bytes,)}

type Shape = frozenset[tuple[str, str, str]]
type Values = dict[str, Any]


class UntrustedDatabase:
    """A copy of an imported database that has passed all checks and has the current schema version."""

    def __init__(self, path: Path, version: int) -> None:
        self.path, self.version = path, version
        """Schema version of the original file."""
        self._db = _open(path)

    def rows(self, table: str) -> Iterator[Values]:
        """Yield the rows of a table. Raises StoreError for a value that does not fit the type of its column."""
        kinds, needed = columns(table)
        try:
            found = self._db.execute(f"select {', '.join(kinds)} from {table}")
            for values in found:
                row = dict(zip(kinds, values, strict=True))
                for name, value in row.items():
                    if not (_holds(kinds[name], value) or (value is None and name not in needed)):
                        raise StoreError(f"the file is damaged: {table}.{name} holds something that cannot stand there")
                yield row
        except sqlite3.Error as exc:
            raise StoreError(f"the file is damaged: {table} cannot be read ({exc})") from exc

    def close(self) -> None:
        self._db.close()


@contextlib.contextmanager
def inspect_file(file: Path, folder: Path, *, most: int | None = MOST_BYTES) -> Iterator[UntrustedDatabase]:
    """Copy a file into a temporary folder, check it, migrate the copy and yield it.

    Raises StoreError if it is not valid.
    """
    copy = folder / "copy.sqlite"
    _take(file, copy, most)
    try:
        version = _check(copy)
        if version < len(MIGRATIONS):
            _bring_up_to_date(copy)
        found = UntrustedDatabase(copy, version)
    except (sqlite3.Error, ValueError, OverflowError) as exc:
        raise StoreError(f"{str(file)!r} is damaged or no database ({exc}); nothing was changed") from exc
    except StoreError as exc:
        raise StoreError(f"{str(file)!r} {exc}; nothing was changed") from exc
    with contextlib.closing(found):
        yield found


@cache
def shape(version: int) -> Shape:
    """Return the schema objects of a database of a version: kind, name and SQL of each."""
    db = made(":memory:", version)
    try:
        return shape_of(db.connection())
    finally:
        db.close()


def made(path: str, version: int = len(MIGRATIONS)) -> SqliteDatabase:
    """Create an empty database of a schema version and return it, open."""
    db = SqliteDatabase(path)
    with db.atomic("IMMEDIATE"):
        db.pragma("application_id", APPLICATION_ID)
        for step in MIGRATIONS[:version]:
            step(db)
        db.pragma("user_version", version)
    return db


@cache
def columns(table: str) -> tuple[dict[str, str], frozenset[str]]:
    """Return the columns of a table with their types, and the set of those that are not null."""
    db = made(":memory:")
    try:
        found = db.execute_sql(f"pragma table_info({table})").fetchall()
    finally:
        db.close()
    return {row[1]: row[2].lower() for row in found}, frozenset(row[1] for row in found if row[3])


def _take(file: Path, copy: Path, most: int | None) -> None:
    """Copy a database file with the content of its log files. Raises StoreError if unreadable or too large."""
    try:
        if not file.is_file():
            raise StoreError(f"there is no file {str(file)!r}" if not file.exists() else f"{str(file)!r} is no file")
        sides = [file.with_name(file.name + end) for end in ("-wal", "-journal")]
        logs = [side for side in sides if side.is_file() and side.stat().st_size]
        size = sum(path.stat().st_size for path in (file, *logs))
        if most is not None and size > most:
            raise StoreError(f"{str(file)!r} has {size:,} bytes, more than the {most:,} that an import takes")
        with file.open("rb") as opened:
            if opened.read(len(MAGIC)) != MAGIC:
                raise StoreError(f"{str(file)!r} is no SQLite database; nothing was changed")
        need_room(copy.parent, 2 * size)
        copy.touch(mode=0o600)
        if logs:  # another program may be writing
            with (
                contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as live,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                live.backup(target)
        else:
            shutil.copyfile(file, copy)
    except OSError as exc:
        raise StoreError(f"{str(file)!r} cannot be read: {exc.strerror}") from exc
    except sqlite3.Error as exc:
        raise StoreError(f"{str(file)!r} is damaged or no database ({exc}); nothing was changed") from exc


def _open(path: Path) -> sqlite3.Connection:
    """Open a database with all features disabled by which a schema could run code."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    for what in ("TRUSTED_SCHEMA", "ENABLE_TRIGGER", "ENABLE_VIEW", "ENABLE_LOAD_EXTENSION", "ENABLE_FTS3_TOKENIZER"):
        db.setconfig(getattr(sqlite3, f"SQLITE_DBCONFIG_{what}"), False)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    db.execute("pragma cell_size_check = on")
    db.execute("pragma mmap_size = 0")
    taken = itertools.count()
    db.set_progress_handler(lambda: next(taken) > MOST_STEPS, STEPS)
    return db


def _check(copy: Path) -> int:
    with contextlib.closing(_open(copy)) as db:
        version = int(db.execute("pragma user_version").fetchone()[0])
        if db.execute("pragma application_id").fetchone()[0] != APPLICATION_ID or version < 1:
            raise StoreError("is another program's database")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"has version {version} and this program knows up to {len(MIGRATIONS)}: "
                "it was written by a newer OmniRoute, so upgrade first"
            )
        for difference in differences(shape_of(db), shape(version)):
            raise StoreError(difference)
        if (said := db.execute("pragma integrity_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(said)
        if db.execute("pragma foreign_key_check").fetchone():
            raise StoreError("has rows that point to rows which are not there")
    return version


def differences(found: Shape, ours: Shape) -> Iterator[str]:
    """Yield descriptions of the differences of a schema from the expected one."""
    names = {(kind, name) for kind, name, _ in ours}
    for kind, name, _ in sorted(found - ours):
        if (kind, name) in names:
            yield f"has a {kind} {name[:60]!r} that is not made as ours"
        else:
            yield f"has a {kind} {name[:60]!r} that is not ours"
    for kind, name, _ in sorted(ours - found):
        yield f"lacks the {kind} {name!r}"


def shape_of(db: sqlite3.Connection) -> Shape:
    """Return the schema objects of a database, without the statistics tables of `analyze`."""
    found = db.execute("select type, name, coalesce(sql, '') from sqlite_master").fetchall()
    return frozenset(
        (str(kind), str(name), " ".join(str(sql).split()))
        for kind, name, sql in found
        if name not in ("sqlite_stat1", "sqlite_stat4")
    )


def _bring_up_to_date(copy: Path) -> None:
    db = SqliteDatabase(str(copy))
    try:
        migrate(db, copy, clock=time.time, copies=False)
    finally:
        db.close()


def _holds(kind: str, value: object) -> bool:
    """Return whether a value fits a column type, since SQLite does not enforce types; infinite numbers are rejected."""
    return isinstance(value, HOLDS[kind]) and not (isinstance(value, float) and not math.isfinite(value))


def check_setup(store: Store) -> None:
    """Load the configuration as a gateway would; raise StoreError describing what is not usable."""
    try:
        config = snapshot.load(store)
        snapshot.credentials(store)
        snapshot.proxies(store)
        _check_names(config)
        for row in store.rows(ProviderNodes.select()):
            base_url(row["base_url"])
            label(row["name"], "a node")
        for name, value in rows.settings(store).items():
            _check_setting(store, name, value)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as exc:
        raise StoreError(
            f"what the file sets up cannot be used: {type(exc).__name__}: {exc}; nothing was changed"
        ) from exc
    except StoreError as exc:
        raise StoreError(f"what the file sets up cannot be used: {exc}; nothing was changed") from exc


def _check_names(config: Config) -> None:
    for account in config.accounts:
        label(account.name, "an account")
        if account.base_url is not None:
            base_url(account.base_url)
    for node in config.nodes:
        if not PREFIX.fullmatch(node.prefix):
            raise StoreError(f"{quoted(node.prefix)} cannot be the prefix of a node")
    for combo in config.combos:
        combo_name(combo)
    for key in config.keys:
        label(key.name, "a key")


def _check_setting(store: Store, name: str, value: object) -> None:
    """Raise StoreError for a setting with an invalid value, which would fail in the middle of a request."""
    if name == MODE and value not in MODES:
        raise StoreError(f"{MODE} is none of {', '.join(MODES)}")
    if (setting := _setting(store, name)) is None:
        return
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        fits = setting.read(text) == value
    except ValueError as exc:
        raise StoreError(f"{quoted(name)} {exc}, not {quoted(text)}") from exc
    if not fits:
        raise StoreError(f"{quoted(name)} cannot be {quoted(text)}")


def _setting(store: Store, name: str) -> Setting | None:
    head, _, rest = name.partition(".")
    if head == "resilience":
        return RESILIENCE.get(rest.rpartition(".")[2])
    try:
        return known(store, name)[1]
    except StoreError:  # a setting of a newer version, which is never read
        return None
