"""Detection of errors that concern the whole database or its disk, with a description and advice for each."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

type Kind = Literal["full", "io", "readonly", "denied", "busy", "corrupt", "memory"]

CODES: dict[int, Kind] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "io",
    sqlite3.SQLITE_READONLY: "readonly",
    sqlite3.SQLITE_CANTOPEN: "denied",
    sqlite3.SQLITE_PERM: "denied",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_PROTOCOL: "busy",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_NOMEM: "memory",
}
TEXTS: tuple[tuple[str, Kind], ...] = (
    ("disk is full", "full"),
    ("disk i/o error", "io"),
    ("readonly database", "readonly"),
    ("unable to open database", "denied"),
    ("permission denied", "denied"),
    ("locked", "busy"),
    ("malformed", "corrupt"),
    ("not a database", "corrupt"),
    ("out of memory", "memory"),
)
ERRNOS: dict[int, Kind] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EIO: "io",
    errno.EROFS: "readonly",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
}
REASONS: dict[Kind, str] = {
    "full": "the disk with {where} is full: free some space",
    "io": "the disk with {where} reports I/O errors ({error}): check the disk",
    "readonly": "{where} is on a read-only file system, or its database file is read-only: make it writable",
    "denied": "the database in {where} cannot be opened for writing ({error}): check its owner and permissions",
    "busy": "another process holds the write lock of the database in {where}: end that process",
    "corrupt": "the database in {where} is damaged ({error}), so nothing more is written to it: "
    "stop the gateway, run `omniroute-ctl db check` and restore a backup",
    "memory": "there is not enough memory to write to the database in {where}",
}
LEAST_FREE = 128 * 1024
"""Free bytes below which an I/O error means a full disk: SQLite reports one when it cannot grow its shared memory."""


@dataclass(frozen=True, slots=True)
class DiskError:
    """An error that concerns the whole database, not just one statement."""

    kind: Kind
    reason: str
    """One sentence that describes the problem and what to do."""
    public: str
    """`reason` without the path, for clients that are not logged in."""

    @property
    def final(self) -> bool:
        """Whether further writes could cause damage."""
        return self.kind == "corrupt"


def disk_error(exc: BaseException, directory: Path) -> DiskError | None:
    """Return the database or disk error behind an exception, or None if it concerns only one statement."""
    for error in _causes(exc):
        if kind := _kind(error):
            if kind == "io" and _is_full(directory):
                kind = "full"
            said = REASONS[kind]
            reason = said.format(where=repr(str(directory)), error=error)
            return DiskError(kind, reason, said.format(where="the data directory", error=error))
    return None


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, the SQLite error that peewee has wrapped, and the chain of its causes."""
    seen: BaseException | None = exc
    while seen is not None:
        yield seen
        if isinstance(original := getattr(seen, "orig", None), sqlite3.Error):
            yield original
        seen = seen.__cause__


def _kind(error: BaseException) -> Kind | None:
    if isinstance(error, OSError):
        return ERRNOS.get(error.errno or 0)
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return CODES.get(code & 0xFF)
    text = str(error).lower()
    return next((kind for part, kind in TEXTS if part in text), None)


def _is_full(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free < LEAST_FREE
    except OSError:
        return False
