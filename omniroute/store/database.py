"""The database of one data directory: opened with care, closed whole."""

import contextlib
import hmac
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from peewee import PeeweeException, Query

from omniroute.store.connections import BUSY_SECONDS, Connections
from omniroute.store.files import StoreError, prepare, reserve
from omniroute.store.secrets import (
    API_KEY_VARIABLE,
    STORAGE_VARIABLE,
    Vault,
    from_environment,
    hmac_sha256,
    load_or_make,
    stretch,
)
from omniroute.store.tables import ApiKeys, ConfigRevision, Meta
from omniroute.store.upgrade import inspect, migrate, use_wal

type Row = dict[str, Any]

log = logging.getLogger(__name__)

PROBE = "omniroute"


class Store:
    """What is kept on disk. Blocks while the disk works, so it is never called on the event loop.

    Any thread may use it and has a connection of its own. All failures of the disk and of SQLite come out
    as StoreError, and so does the constructor's refusal of a directory, a database or a key that it cannot use.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        password = from_environment(environ, STORAGE_VARIABLE)
        api_key_secret = from_environment(environ, API_KEY_VARIABLE)
        prepare(data_dir)
        self.data_dir, self.clock = data_dir, clock
        self.path = data_dir / "storage.sqlite"
        self._key_file = data_dir / "secrets.json"
        version = inspect(self.path) if self.path.exists() else 0
        if version and password is None and not self._key_file.exists():
            raise StoreError(
                f"the key file {str(self._key_file)!r} is missing, and the secrets in {str(self.path)!r} "
                f"need it: put it back from a copy, or set {STORAGE_VARIABLE} if that was used"
            )
        # The keys are on disk before the database is, so whoever finds a database finds its keys too.
        keys = load_or_make(self._key_file)
        self._api_key_secret = api_key_secret.encode("utf-8", "surrogateescape") if api_key_secret else keys.api_keys
        reserve(self.path)
        self.db = Connections(self.path)
        self._seen = threading.local()
        try:
            with self._failures():
                use_wal(self.db)
                migrate(self.db, self.path, clock=clock)
            self.vault = self._unlock(password, keys.storage)
            self._note_api_key_secret()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every thread's connection."""
        self.db.shut()

    def rows(self, query: Query) -> list[Row]:
        """Run a query that gives rows."""
        with self._failures():
            return list(query.dicts().execute(self.db))

    def run(self, query: Query) -> int:
        """Run a statement; an update or delete returns how many rows it touched. Call it inside `change`."""
        with self._failures():
            return int(query.execute(self.db))

    def run_many(self, sql: str, values: list[tuple[Any, ...]]) -> None:
        """Run one statement for each tuple; call it inside `change`."""
        with self._failures():
            self.db.connection().executemany(sql, values)

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """All or nothing: one transaction, or a part of the one that is open in this thread already."""
        with self._failures(), self.db.atomic("IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def view(self) -> Iterator[None]:
        """Several reads that see the same moment."""
        with self._failures(), self.db.atomic():
            yield

    def revision(self) -> int:
        """Return a number that grows whenever accounts, nodes, combos or keys change, in whatever process.

        While nobody writes this costs one pragma: `data_version` tells of the commits of other connections,
        `total_changes` of this one's own.
        """
        with self._failures():
            connection = self.db.connection()
            seen = (connection, self.db.pragma("data_version"), connection.total_changes)
            if connection.in_transaction or getattr(self._seen, "state", None) != seen:
                self._seen.revision = int(self.rows(ConfigRevision.select())[0]["number"])
                self._seen.state = None if connection.in_transaction else seen
        return int(self._seen.revision)

    def verify(self) -> None:
        """Read the whole database and raise StoreError where it is damaged; takes long when the history is."""
        inspect(self.path, thorough=True)

    def digest(self, shown: str) -> bytes:
        """Digest a key that a client showed."""
        return hmac_sha256(self._api_key_secret, shown)

    def _unlock(self, password: str | None, file_key: bytes) -> Vault:
        """Find the key that seals the secrets, or choose it at the first start."""
        with self.change() if self._meta("check") is None else contextlib.nullcontext():
            salt, check = self._meta("salt"), self._meta("check")
            if check is None:
                salt = secrets.token_bytes(16)
            vault = Vault(stretch(password, salt or b"") if password is not None else file_key)
            if check is None:
                self.run(Meta.insert(name="salt", value=salt))
                self.run(Meta.insert(name="check", value=vault.seal(PROBE, "check")))
                return vault
        try:
            vault.unseal(check, "check")
        except StoreError as exc:
            used = STORAGE_VARIABLE if password is not None else f"the key file {str(self._key_file)!r}"
            raise StoreError(
                f"{used} is not the key that the secrets in {str(self.path)!r} are encrypted with; "
                f"set or unset {STORAGE_VARIABLE} as it was, or put the key file back; nothing was changed"
            ) from exc
        return vault

    def _note_api_key_secret(self) -> None:
        """Say it when clients' keys have stopped working because their secret is another one now."""
        mark, known = hmac_sha256(self._api_key_secret, PROBE), self._meta("api_key_check")
        if known is None:
            with self.change():
                self.run(Meta.insert(name="api_key_check", value=mark).on_conflict_ignore())
        elif not hmac.compare_digest(known, mark) and self.rows(ApiKeys.select().where(ApiKeys.revoked_at.is_null())):
            log.warning(
                "%s is not the one that the API keys were made under: they will be refused; set it as it was",
                API_KEY_VARIABLE,
            )

    def _meta(self, name: str) -> bytes | None:
        found = self.rows(Meta.select(Meta.value).where(Meta.name == name))
        return bytes(found[0]["value"]) if found else None

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (PeeweeException, sqlite3.Error) as exc:
            if "locked" in str(exc):
                raise StoreError(f"the database is busy: another process has held it for {BUSY_SECONDS} s") from exc
            raise StoreError(f"the database {str(self.path)!r} failed: {exc}") from exc
