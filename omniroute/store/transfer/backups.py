"""Backups of the database, made before risky changes, on schedule and on request.

The file name of a backup contains the schema version, the time and the reason.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from omniroute.store.db import files
from omniroute.store.db.copies import Progress, no_progress, prepared
from omniroute.store.db.files import BACKUPS, KEY_FILE, StoreError

type Reason = Literal["manual", "scheduled", "import", "restore", "migration"]

TIME = "%Y%m%dT%H%M%SZ"
NAME = re.compile(
    r"storage-v(?P<version>\d{1,6})-(?P<time>\d{8}T\d{6}Z)"
    r"(?:-(?P<reason>manual|scheduled|import|restore|migration))?(?:-\d{1,3})?"
)
"""File name of a backup; one without a reason was made before a migration."""
MOST_AT_ONCE = 999
CONVERSATIONS = ("kept_item", "kept_reply", "kept_conversation", "kept_answer")
"""Tables left out of backups and exports: their rows expire, so they must not live on in copies nor make them large."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup; `reason` is what it was made for, or before."""

    id: str
    path: Path
    at: float
    size: int
    reason: str
    version: int


def list_backups(database: Path) -> list[Backup]:
    """List the backups of a database, the newest first."""
    found: list[Backup] = []
    for path in (database.parent / BACKUPS).glob("*.sqlite"):
        name = NAME.fullmatch(path.stem)
        if name is None or path.is_symlink() or not path.is_file():
            continue
        try:
            at = datetime.strptime(name["time"], TIME).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue  # not a valid time, so not one of our files
        reason = name["reason"] or "migration"
        found.append(Backup(path.stem, path, at, path.stat().st_size, reason, int(name["version"])))
    return sorted(found, key=lambda backup: (backup.at, backup.path.stat().st_mtime, backup.id), reverse=True)


def find(database: Path, id: str) -> Backup:
    """Return the backup with this id; raise StoreError when there is none.

    The id is only compared with existing backups and never used as a path.
    """
    for backup in (found := list_backups(database)):
        if backup.id == id:
            return backup
    newest = f"; the newest is {found[0].id!r}" if found else ""
    raise StoreError(f"there is no backup {id[:100]!r}{newest}")


def remove(database: Path, id: str) -> None:
    """Delete the backup with this id; raise StoreError when there is none or it cannot be deleted."""
    found = find(database, id)
    try:
        found.path.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError(f"the backup {id!r} cannot be deleted: {exc.strerror}") from exc


def create(database: Path, reason: Reason, version: int, now: float) -> Backup:
    """Back up the last committed state of the database. Raises StoreError, and leaves no file behind, on failure."""
    with preparing(database, reason, version, now) as backup:
        return backup


@contextlib.contextmanager
def preparing(
    database: Path, reason: Reason, version: int, now: float, *, progress: Progress = no_progress
) -> Iterator[Backup]:
    """Back up the database as `create` does; the file appears only when the block ends without an exception."""
    directory = database.parent / BACKUPS
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        files.sweep(directory, files.DRAFT)
    except OSError as exc:
        raise StoreError(f"the folder {str(directory)!r} cannot be made: {exc.strerror}") from exc
    base = f"storage-v{version}-{datetime.fromtimestamp(now, UTC):{TIME}}-{reason}"
    names = [base, *(f"{base}-{number}" for number in range(2, MOST_AT_ONCE + 1))]
    path = next((path for name in names if not (path := directory / f"{name}.sqlite").exists()), None)
    if path is None:
        raise StoreError(f"{MOST_AT_ONCE} backups of the same second are there already")
    without = () if reason == "migration" else CONVERSATIONS
    with prepared(database, path, without=without, progress=progress) as size:
        yield Backup(path.stem, path, float(int(now)), size, reason, version)


def prune(database: Path, keep: int) -> list[str]:
    """Delete all but the newest `keep` backups of each reason, at least one, and return the deleted ids.

    Manual backups are never deleted, nor are those made before a migration, as only they open with an older version.
    """
    gone: list[str] = []
    for backups in _by_reason(list_backups(database)):
        for backup in backups[max(keep, 1) :]:
            try:
                backup.path.unlink(missing_ok=True)
            except OSError as exc:
                raise StoreError(f"the backup {backup.id!r} cannot be deleted: {exc.strerror}") from exc
            gone.append(backup.id)
    return gone


def scheduled(database: Path, hours: float, keep: int, now: float) -> Backup | None:
    """Make a scheduled backup if the last one is `hours` old, and prune old ones; return it, or None if not due."""
    if not hours or not due(database, hours, now):
        return None
    made = create(database, "scheduled", _version(database), now)
    prune(database, keep)
    return made


def due(database: Path, hours: float, now: float) -> bool:
    """Return whether the next scheduled backup is due; the first one is due `hours` after the first start."""
    last = max((backup.at for backup in list_backups(database) if backup.reason == "scheduled"), default=None)
    if last is None:
        last = (database.parent / KEY_FILE).stat().st_mtime  # written at the first start and never changed
    return not last <= now < last + hours * 3600  # a clock that was set back must not delay the backup


def _version(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("pragma user_version").fetchone()[0])


def _by_reason(backups: Iterable[Backup]) -> list[list[Backup]]:
    found: dict[str, list[Backup]] = {}
    for backup in backups:
        if backup.reason not in ("manual", "migration"):
            found.setdefault(backup.reason, []).append(backup)
    return list(found.values())
