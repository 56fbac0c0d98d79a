"""Copies of the database beside it: made before each change that could go wrong, and from time to time.

A copy is named after its database's version, the time and the reason, so that one look at the folder tells all.
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
"""Without a reason it was made before a migration."""
MOST_AT_ONCE = 999
CONVERSATIONS = ("kept_item", "kept_reply", "kept_conversation", "kept_answer")
"""What is to be forgotten a while after its last use shall not live on in copies, nor make them large."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy. The reason is what it was made for, or before."""

    id: str
    path: Path
    at: float
    size: int
    reason: str
    version: int


def list_backups(database: Path) -> list[Backup]:
    """List the copies of a database, the newest first."""
    found: list[Backup] = []
    for path in (database.parent / BACKUPS).glob("*.sqlite"):
        name = NAME.fullmatch(path.stem)
        if name is None or path.is_symlink() or not path.is_file():
            continue
        try:
            at = datetime.strptime(name["time"], TIME).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue  # no time, so none of ours
        reason = name["reason"] or "migration"
        found.append(Backup(path.stem, path, at, path.stat().st_size, reason, int(name["version"])))
    return sorted(found, key=lambda backup: (backup.at, backup.path.stat().st_mtime, backup.id), reverse=True)


def find(database: Path, id: str) -> Backup:
    """Find a copy by its id, which is only ever compared with what is there. StoreError when there is none."""
    for backup in (found := list_backups(database)):
        if backup.id == id:
            return backup
    newest = f"; the newest is {found[0].id!r}" if found else ""
    raise StoreError(f"there is no backup {id[:100]!r}{newest}")


def remove(database: Path, id: str) -> None:
    """Delete a copy, by its id. StoreError when there is none."""
    found = find(database, id)
    try:
        found.path.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError(f"the backup {id!r} cannot be deleted: {exc.strerror}") from exc


def create(database: Path, reason: Reason, version: int, now: float) -> Backup:
    """Copy the database as last committed. Raises StoreError, and leaves nothing behind then."""
    with preparing(database, reason, version, now) as backup:
        return backup


@contextlib.contextmanager
def preparing(
    database: Path, reason: Reason, version: int, now: float, *, progress: Progress = no_progress
) -> Iterator[Backup]:
    """Copy the database as `create` does; the backup appears when the block ends well, and never when it fails."""
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
    """Delete what is older than the newest `keep` of each reason, and give the ids.

    What a person made stays, and so does what was made before a migration: only that opens with an older version.
    The newest of a reason is never deleted.
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
    """Make a copy when the last one of these is so many hours old, and delete what is not to be kept any more."""
    if not hours or not due(database, hours, now):
        return None
    made = create(database, "scheduled", _version(database), now)
    prune(database, keep)
    return made


def due(database: Path, hours: float, now: float) -> bool:
    """Tell whether the next scheduled copy is to be made; the first one so many hours after the first start."""
    last = max((backup.at for backup in list_backups(database) if backup.reason == "scheduled"), default=None)
    if last is None:
        last = (database.parent / KEY_FILE).stat().st_mtime  # made at the first start, and never changed
    return not last <= now < last + hours * 3600  # a clock that was set back is no reason to wait for it


def _version(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("pragma user_version").fetchone()[0])


def _by_reason(backups: Iterable[Backup]) -> list[list[Backup]]:
    found: dict[str, list[Backup]] = {}
    for backup in backups:
        if backup.reason not in ("manual", "migration"):
            found.setdefault(backup.reason, []).append(backup)
    return list(found.values())
