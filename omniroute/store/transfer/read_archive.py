"""Conversion of an export archive into a database, which is checked like any other untrusted file."""

import csv
import io
import json
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from omniroute.store.db.copies import need_room
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.transfer.export import FORMAT, HAD_ONE, file_of
from omniroute.store.transfer.table_policy import POLICIES, of_kind
from omniroute.store.transfer.untrusted import MOST_BYTES, Values, columns, made

MAGIC = b"\x1f\x8b"
EMPTY = {"path": "", "attempts": "[]", "dropped": "[]"}
"""Values for required columns that the archive does not contain."""
GONE = b"\0"
"""Placeholder for a credential that the archive does not contain."""
MOST_MEMBERS = 100
BROKEN = (
    *(tarfile.TarError, OSError, EOFError, zlib.error, sqlite3.Error),
    *(ValueError, LookupError, TypeError, OverflowError, RecursionError),
)
"""Exceptions that a damaged archive may raise."""


def is_archive(file: Path) -> bool:
    """Return whether a file starts like a gzip archive."""
    if not file.is_file():
        return False  # the next reader reports why
    try:
        with file.open("rb") as opened:
            return opened.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def unpack(file: Path, folder: Path) -> Path:
    """Convert an archive into a database with the schema version that wrote it, and return its path.

    Raises StoreError.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise StoreError(f"{str(file)!r} has more than the {MOST_BYTES:,} bytes that an import takes")
        need_room(folder, MOST_BYTES)
        with tarfile.open(file, "r:gz") as tar:
            members = _members(tar)
            about = json.loads(members.pop("metadata.json"))
        if about["format"] != FORMAT or not 1 <= about["schema"] <= len(MIGRATIONS):
            raise StoreError(
                f"{str(file)!r} is {about['format']!r} of schema {about['schema']}, and this program knows "
                f"{FORMAT!r} up to {len(MIGRATIONS)}: it was written by a newer OmniRoute"
            )
        return _build(members, folder / "unpacked.sqlite", int(about["schema"]))
    except BROKEN as exc:
        raise StoreError(f"{str(file)!r} is damaged or no archive of ours ({exc}); nothing was changed") from exc


def _members(tar: tarfile.TarFile) -> dict[str, bytes]:
    """Read the known files into memory, and never write to a path that the archive names."""
    ours = {"metadata.json", *(file_of(table) for table in of_kind("setup", "history"))}
    found: dict[str, bytes] = {}
    room = MOST_BYTES
    for number, member in enumerate(tar):
        name = member.name.rpartition("/")[2]
        room -= member.size
        if room < 0 or number > MOST_MEMBERS:
            raise ValueError("it holds too much")
        if name in ours and member.isreg() and name not in found and (content := tar.extractfile(member)):
            found[name] = content.read()
    return found


def _build(members: dict[str, bytes], path: Path, version: int) -> Path:
    path.touch(mode=0o600)
    made(str(path), version).close()
    with closing(sqlite3.connect(path)) as db:
        db.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)  # the rollups of this copy are not used
        for table in of_kind("setup", "history"):
            there = {row[1] for row in db.execute(f"pragma table_info({table})")}
            if not there or (content := members.get(file_of(table))) is None:
                continue
            rows = _rows(table, content.decode())
            needed = [name for name in EMPTY if name in POLICIES[table].hidden and name in there]
            names = [name for name in POLICIES[table].shown if name in there] + needed
            if POLICIES[table].sealed:
                names.append("secret")
            sql = f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})"
            db.executemany(sql, ([row.get(name) for name in names] for row in rows))
        db.commit()
    return path


def _rows(table: str, text: str) -> Iterator[Values]:
    if not file_of(table).endswith(".csv"):
        for row in json.loads(text):
            values = dict(row)
            yield values | {"secret": GONE if values.get(HAD_ONE) else None}
        return
    kinds, needed = columns(table)
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield EMPTY | {name: _typed(value, kinds.get(name, "text"), name in needed) for name, value in row.items()}


def _typed(text: str, kind: str, needed: bool) -> Any:
    if not text and not needed:
        return None
    return {"integer": int, "real": float}.get(kind, str)(text)
