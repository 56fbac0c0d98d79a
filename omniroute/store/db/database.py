"""Access to the database of one data directory: connections, transactions, locking and decryption."""

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
from typing import Any, cast

from peewee import PeeweeException, Query, SqliteDatabase

from omniroute.store.db.copies import Progress, no_progress
from omniroute.store.db.directory_lock import DirectoryLock, running_gateway
from omniroute.store.db.disk_errors import disk_error
from omniroute.store.db.files import KEY_FILE, NeedsMigration, StoreError, StoreFailed, prepare, reserve
from omniroute.store.db.migrations import MIGRATIONS
from omniroute.store.db.secrets import (
    API_KEY_VARIABLE,
    SESSION_VARIABLE,
    STORAGE_VARIABLE,
    VARIABLES,
    Vault,
    from_environment,
    hmac_sha256,
    load_or_make,
    stretch,
)
from omniroute.store.db.tables import ApiKeys, ConfigRevision, Meta
from omniroute.store.db.upgrade import Migrated, inspect, migrate, needs_migration, use_wal
from omniroute.store.db.write_health import WriteHealth

BUSY_SECONDS = 5
"""Seconds that a connection waits for a write of another process."""

# peewee logs every statement at DEBUG, and mitmproxy keeps the root logger at DEBUG.
logging.getLogger("peewee").setLevel(logging.INFO)


class Connections(SqliteDatabase):
    """A peewee SQLite database with one connection per thread, tracked so that any thread can close all of them."""

    def __init__(self, path: Path) -> None:
        pragmas = {"busy_timeout": BUSY_SECONDS * 1000, "synchronous": "normal", "foreign_keys": 1}
        self._guard = threading.Lock()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        super().__init__(str(path), pragmas=pragmas, timeout=BUSY_SECONDS, check_same_thread=False)

    def connection(self) -> sqlite3.Connection:
        """Return the connection of this thread; open it if necessary."""
        return cast(sqlite3.Connection, super().connection())  # type: ignore[no-untyped-call]

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Run a statement; skip a rollback to a savepoint that SQLite has ended itself, as it does on a full disk."""
        if sql.startswith("ROLLBACK TO ") and not self.connection().in_transaction:
            return None
        return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]

    def rollback(self) -> None:
        """Roll the transaction back, unless SQLite has already done so: the original error is the one to report."""
        if not self.is_closed() and self.connection().in_transaction:
            super().rollback()

    def _connect(self) -> sqlite3.Connection:
        fresh = cast(sqlite3.Connection, super()._connect())  # type: ignore[misc]  # the stubs lack it
        with self._guard:
            alive = []
            for thread, connection in self._opened:
                if thread.is_alive():
                    alive.append((thread, connection))
                else:  # the thread has ended without closing its connection
                    connection.close()
            self._opened = [*alive, (threading.current_thread(), fresh)]
        return fresh

    def _close(self, conn: sqlite3.Connection) -> None:
        with self._guard:
            self._opened = [entry for entry in self._opened if entry[1] is not conn]
        conn.close()

    def release(self) -> None:
        """Close the connection of this thread, if it has one."""
        if not self.deferred:
            self.close()

    def shut(self) -> None:
        """Close the connections of all threads; later queries raise an error."""
        if self.deferred:
            return
        self.deferred = True  # peewee's term for a database without a file
        with self._guard:
            opened, self._opened = self._opened, []
        for _, connection in opened:
            connection.close()


type Row = dict[str, Any]


class QueryRunner:
    """Queries on one database file from any thread, each with its own connection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = Connections(path)
        self.write_health = WriteHealth()

    def rows(self, query: Query) -> list[Row]:
        """Run a query and return its rows. Raises StoreFailed."""
        with self.failures():
            return list(query.dicts().execute(self.db))

    def run(self, query: Query) -> int:
        """Run a statement and return the number of rows that an update or delete changed. Call it inside `change`."""
        with self.failures():
            return int(query.execute(self.db))

    def run_many(self, sql: str, values: list[tuple[Any, ...]]) -> None:
        """Run one statement for each tuple of parameters. Call it inside `change`."""
        with self.failures():
            self.db.connection().executemany(sql, values)

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Run the block in a write transaction, or in a savepoint of the transaction that this thread has open.

        Raises StoreFailed when the database takes no writes.
        """
        if self.write_health.stopped:
            raise StoreFailed(f"nothing is written: {self.write_health.reason}")
        try:
            with self.failures(), self.db.atomic("IMMEDIATE"):
                yield
        except StoreFailed as exc:
            if error := disk_error(exc, self.path.parent):
                self.write_health.failed(error)
            raise

    @contextlib.contextmanager
    def view(self) -> Iterator[None]:
        """Run several reads on one consistent snapshot of the database."""
        with self.failures(), self.db.atomic():
            yield

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Convert exceptions of peewee and SQLite into StoreFailed with a readable message."""
        try:
            yield
        except (PeeweeException, sqlite3.Error) as exc:
            if "locked" in str(exc):
                raise StoreFailed(f"the database is busy: another process has held it for {BUSY_SECONDS} s") from exc
            if error := disk_error(exc, self.path.parent):
                raise StoreFailed(f"the database cannot be used: {error.reason}") from exc
            raise StoreFailed(f"the database {str(self.path)!r} failed: {exc}") from exc

    def close(self) -> None:
        """Close the connections of all threads; no query is possible afterwards."""
        self.db.shut()


log = logging.getLogger(__name__)

PROBE = "omniroute"
SALT_BYTES = 16


def unlock(queries: QueryRunner, *, password: str | None, file_key: bytes, key_file: Path) -> Vault:
    """Return the vault for encrypted values, with a key from the password if one is set, else from the key file.

    At the first start, the choice of key is recorded in the database. Raises StoreError, and changes nothing, when
    existing secrets were encrypted with another key.
    """
    with queries.change() if _remembered(queries, "check") is None else contextlib.nullcontext():
        check, salt = _remembered(queries, "check"), _remembered(queries, "salt") or secrets.token_bytes(SALT_BYTES)
        vault = Vault(file_key if password is None else stretch(password, salt))
        if check is None:
            queries.run(Meta.insert(name="salt", value=salt))
            queries.run(Meta.insert(name="check", value=vault.seal(PROBE, "check")))
            return vault
    try:
        vault.unseal(check, "check")
    except StoreError as exc:
        used = f"the key file {str(key_file)!r}" if password is None else STORAGE_VARIABLE
        raise StoreError(
            f"{used} is not the key that the secrets in {str(queries.path)!r} are encrypted with; "
            f"set or unset {STORAGE_VARIABLE} as it was, or put the key file back; nothing was changed"
        ) from exc
    return vault


def note_api_key_secret(queries: QueryRunner, secret: bytes) -> None:
    """Log a warning when gateway keys no longer work because the secret of their digests has changed."""
    mark, known = hmac_sha256(secret, PROBE), _remembered(queries, "api_key_check")
    if known is None:
        with queries.change():
            queries.run(Meta.insert(name="api_key_check", value=mark).on_conflict_ignore())
    elif not hmac.compare_digest(known, mark) and queries.rows(ApiKeys.select().where(ApiKeys.revoked_at.is_null())):
        log.warning(
            "API keys that were made under another %s, or with another key file, are refused: "
            "put that back, or make the keys anew",
            API_KEY_VARIABLE,
        )


def _remembered(queries: QueryRunner, name: str) -> bytes | None:
    found = queries.rows(Meta.select(Meta.value).where(Meta.name == name))
    return bytes(found[0]["value"]) if found else None


class Store(QueryRunner):
    """The database of the gateway. Its methods block on disk I/O, so they are never called on the event loop.

    Raises StoreError for a directory, database or key that it cannot use, and leaves the existing files unchanged.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
        upgrade: bool = True,
        progress: Progress = no_progress,
    ) -> None:
        """Open or create the database; with `upgrade`, migrate an older version, else raise NeedsMigration for one."""
        said = {name: from_environment(environ, name) for name in VARIABLES}
        password = said[STORAGE_VARIABLE]
        self._password = password
        prepare(data_dir)
        self.data_dir, self.clock = data_dir, clock
        path, key_file = data_dir / "storage.sqlite", data_dir / KEY_FILE
        version = inspect(path) if path.exists() else 0
        if version and password is None and not key_file.exists():
            raise StoreError(
                f"the key file {str(key_file)!r} is missing, and the secrets in {str(path)!r} "
                f"need it: put it back from a copy, or set {STORAGE_VARIABLE} if that was used"
            )
        if 0 < version < len(MIGRATIONS) and not upgrade:
            raise NeedsMigration(needs_migration(data_dir, version))
        self._lock = DirectoryLock(data_dir)
        try:
            self._wait_for_others(path, version)
            self._open(path, key_file, version, said, progress)
        except BaseException:
            self._lock.close()
            raise

    def _wait_for_others(self, path: Path, version: int) -> None:
        """Take a shared lock on the data directory, or an exclusive one if a migration is needed.

        Raises StoreError if in use.
        """
        if not 0 < version < len(MIGRATIONS):
            self._lock.share()
            return
        if pid := running_gateway(self.data_dir):
            raise StoreError(
                f"the database {str(path)!r} has version {version} and this program needs version {len(MIGRATIONS)}, "
                f"but process {pid} is a gateway that still uses it: stop it first"
            )
        if not self._lock.wait_alone(lambda: inspect(path) < len(MIGRATIONS)):
            raise StoreError(
                f"the database {str(path)!r} cannot be migrated while another process has it open: end that first"
            )

    def _open(
        self, path: Path, key_file: Path, version: int, said: Mapping[str, str | None], progress: Progress
    ) -> None:
        password, api_key_secret = said[STORAGE_VARIABLE], said[API_KEY_VARIABLE]
        # The key file is written before the database, so a process that finds a database also finds its keys.
        keys = load_or_make(key_file)
        self._api_key_secret = _bytes(api_key_secret) if api_key_secret else keys.api_keys
        reserve(path)
        super().__init__(path)
        self.migrated: Migrated | None = None
        """The migration done while opening, or None."""
        self._seen = threading.local()
        try:
            with self.failures():
                use_wal(self.db)
                if not version:
                    migrate(self.db, path, clock=self.clock)
                # An existing database is migrated only after the check that this process has its key.
                self.vault = unlock(self, password=password, file_key=keys.storage, key_file=key_file)
                self.migrated = migrate(self.db, path, clock=self.clock, progress=progress)
            self._lock.share()
            note_api_key_secret(self, self._api_key_secret)
            said_key = said[SESSION_VARIABLE]
            self.session_key = _bytes(said_key) if said_key else self.vault.derive("sessions")
        except BaseException:
            self.close()
            raise

    def revision(self) -> int:
        """Return a number that increases with each configuration change in any process.

        Without writes, this costs one pragma: `data_version` changes with commits of other connections, `total_changes`
        with those of this connection.
        """
        with self.failures():
            connection = self.db.connection()
            seen = (connection, self.db.pragma("data_version"), connection.total_changes)
            if connection.in_transaction or getattr(self._seen, "state", None) != seen:
                self._seen.revision = int(self.rows(ConfigRevision.select())[0]["number"])
                self._seen.state = None if connection.in_transaction else seen
        return int(self._seen.revision)

    def alone(self) -> bool:
        """Return whether no other process has this database open."""
        try:
            return self._lock.take_alone()
        finally:
            self._lock.share()

    def close(self) -> None:
        """Close the connections of all threads; no query is possible afterwards."""
        super().close()
        self._lock.close()

    def verify(self) -> None:
        """Check the integrity of the whole database; slow with a large history. Raises StoreError if it is damaged."""
        inspect(self.path, thorough=True)

    def vaults(self, salt: bytes) -> list[Vault]:
        """Return the vaults to try on a database with another salt: the current one, and one from a password if set."""
        return [self.vault, *([Vault(stretch(self._password, salt))] if self._password is not None else [])]

    def digest(self, shown: str) -> bytes:
        """Return the digest of a key that a client presented."""
        return hmac_sha256(self._api_key_secret, shown)


def _bytes(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogateescape")
