"""The database of one data directory: opened with care, closed whole."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from omniroute.store.files import KEY_FILE, StoreError, prepare, reserve
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
from omniroute.store.upgrade import inspect, migrate, use_wal


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
    ) -> None:
        said = {name: from_environment(environ, name) for name in VARIABLES}
        password, api_key_secret = said[STORAGE_VARIABLE], said[API_KEY_VARIABLE]
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
        # The keys are on disk before the database is, so whoever finds a database finds its keys too.
        keys = load_or_make(key_file)
        self._api_key_secret = _bytes(api_key_secret) if api_key_secret else keys.api_keys
        reserve(path)
        super().__init__(path)
        self._seen = threading.local()
        try:
            with self.failures():
                use_wal(self.db)
                if not version:
                    migrate(self.db, path, clock=clock)
                # A database that is there already is changed only by who has its key.
                self.vault = unlock(self, password=password, file_key=keys.storage, key_file=key_file)
                migrate(self.db, path, clock=clock)
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
