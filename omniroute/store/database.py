"""The database of one data directory: opened with care, closed whole."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from omniroute.store.copies import Progress, no_progress
from omniroute.store.directory_lock import DirectoryLock, running_gateway
from omniroute.store.files import KEY_FILE, NeedsMigration, StoreError, prepare, reserve
from omniroute.store.migrations import MIGRATIONS
from omniroute.store.queries import Queries
from omniroute.store.secrets import (
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
from omniroute.store.tables import ConfigRevision
from omniroute.store.unlock import note_api_key_secret, unlock
from omniroute.store.upgrade import Migrated, inspect, migrate, needs_migration, use_wal


class Store(Queries):
    """What is kept on disk. Blocks while the disk works, so it is never called on the event loop.

    Raises StoreError for a directory, a database or a key that it cannot use, and leaves what it found as it was.
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
        """Open it. `upgrade` brings a database of an older version up to date, else NeedsMigration is raised."""
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
        """Share the data directory with other processes, or have it alone for a migration."""
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
        # The keys are on disk before the database is, so whoever finds a database finds its keys too.
        keys = load_or_make(key_file)
        self._api_key_secret = _bytes(api_key_secret) if api_key_secret else keys.api_keys
        reserve(path)
        super().__init__(path)
        self.migrated: Migrated | None = None
        """What was migrated when this was opened."""
        self._seen = threading.local()
        try:
            with self.failures():
                use_wal(self.db)
                if not version:
                    migrate(self.db, path, clock=self.clock)
                # A database that is there already is changed only by who has its key.
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
        """Return a number that grows whenever accounts, nodes, combos or keys change, in whatever process.

        While nobody writes this costs one pragma: `data_version` tells of the commits of other connections,
        `total_changes` of this one's own.
        """
        with self.failures():
            connection = self.db.connection()
            seen = (connection, self.db.pragma("data_version"), connection.total_changes)
            if connection.in_transaction or getattr(self._seen, "state", None) != seen:
                self._seen.revision = int(self.rows(ConfigRevision.select())[0]["number"])
                self._seen.state = None if connection.in_transaction else seen
        return int(self._seen.revision)

    def alone(self) -> bool:
        """Say whether no other process has this database open."""
        try:
            return self._lock.take_alone()
        finally:
            self._lock.share()

    def close(self) -> None:
        """Close every thread's connection; nothing can be asked after this."""
        super().close()
        self._lock.close()

    def verify(self) -> None:
        """Read the whole database and raise StoreError where it is damaged; takes long when the history is."""
        inspect(self.path, thorough=True)

    def vaults(self, salt: bytes) -> list[Vault]:
        """Give what may open a database with another salt: what opens this one, and the password if there is one."""
        return [self.vault, *([Vault(stretch(self._password, salt))] if self._password is not None else [])]

    def digest(self, shown: str) -> bytes:
        """Digest a key that a client showed."""
        return hmac_sha256(self._api_key_secret, shown)


def _bytes(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogateescape")
