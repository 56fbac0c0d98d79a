"""Checks of the database; each returns what it found and, if there is a problem, what to do about it."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from omniroute.store.config import snapshot
from omniroute.store.db.copies import SPARE
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.state.sessions import kept_token
from omniroute.store.transfer import backups
from omniroute.store.transfer.untrusted import differences, shape, shape_of


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    name: str
    ok: bool
    found: str
    advice: str | None = None


RESTORE = "omniroute-ctl db backups; omniroute-ctl db restore ID"


def check(store: Store) -> list[CheckResult]:
    """Run every check. Reads the whole database, so it takes long when the history is large."""
    return [_told(name, look) for name, look in _looks(store)]


def failed_to_open(error: StoreError) -> CheckResult:
    """Return the check result for a database that could not be opened."""
    return CheckResult("opens", False, str(error))


def _looks(store: Store) -> Iterator[tuple[str, Callable[[], CheckResult]]]:
    yield "integrity", lambda: _integrity(store)
    yield "foreign keys", lambda: _foreign_keys(store)
    yield "schema", lambda: _schema(store)
    yield "secrets", lambda: _secrets(store)
    yield "room", lambda: _room(store)
    yield "backups", lambda: _backups(store)


def _told(name: str, look: Callable[[], CheckResult]) -> CheckResult:
    try:
        return look()
    except StoreError as exc:
        return CheckResult(name, False, str(exc), RESTORE)


def _integrity(store: Store) -> CheckResult:
    store.verify()
    return CheckResult("integrity", True, "every page is sound")


def _foreign_keys(store: Store) -> CheckResult:
    with store.failures():
        wrong = store.db.connection().execute("pragma foreign_key_check").fetchall()
    if wrong:
        return CheckResult("foreign keys", False, f"{len(wrong)} rows point to rows that are not there", RESTORE)
    return CheckResult("foreign keys", True, "none points to nothing")


def _schema(store: Store) -> CheckResult:
    with store.failures():
        version = int(store.db.pragma("user_version"))
        found = shape_of(store.db.connection())
    if wrong := next(iter(differences(found, shape(len(MIGRATIONS)))), None):
        return CheckResult("schema", False, f"it {wrong}: another program has changed it", RESTORE)
    return CheckResult("schema", True, f"version {version}, as this program makes it")


def _secrets(store: Store) -> CheckResult:
    number = len(snapshot.credentials(store)) + sum(proxy.locked for proxy in snapshot.proxies(store).values())
    with contextlib.suppress(StoreError):
        kept_token(store)
        return CheckResult(
            "secrets", True, f"all credentials of accounts and proxies open with the key at hand: {number}"
        )
    return CheckResult("secrets", False, "the admin token cannot be decrypted", "omniroute-ctl token --rotate")


def _room(store: Store) -> CheckResult:
    size, free = store.path.stat().st_size, shutil.disk_usage(store.data_dir).free
    said = f"{free // 1024**2:,} MB free, the database has {size / 1024**2:,.1f} MB"
    if free < size + SPARE:
        return CheckResult("room", False, f"{said}: too little for a backup", "make room, or move the data directory")
    return CheckResult("room", True, said)


def _backups(store: Store) -> CheckResult:
    found = backups.list_backups(store.path)
    if not found:
        return CheckResult("backups", True, "none yet: `omniroute-ctl db backups create` makes one")
    return CheckResult("backups", True, f"{len(found)}, the newest is {found[0].id}")
