"""State of database writes, and numbers of usage records that were not written."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from omniroute.store.db.disk_errors import DiskError

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WriteHealth:
    """Write state of one database, shared by all threads of a process."""

    reason: str | None = None
    """Reason in one sentence why writes fail now; None while they succeed."""
    public: str | None = None
    """`reason` without paths, for clients that are not logged in."""
    stopped: bool = False
    """Whether writing has stopped permanently, since it could cause damage."""
    dropped: int = 0
    """Number of usage records dropped since the start because the queue was full."""
    rejected: int = 0
    """Number of usage records since the start that the database refused individually."""
    changed: Callable[[], None] = field(default=lambda: None, repr=False)
    """Callback for the first failure after successful writes, called from any thread."""
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def failed(self, error: DiskError) -> None:
        """Record a failed write; logged once until writes succeed again."""
        with self._guard:
            first = self.reason is None
            if self.stopped:
                return
            self.reason, self.public, self.stopped = error.reason, error.public, error.final
        if first or error.final:
            log.error("the database cannot be written, usage records wait: %s", error.reason)
        if first:
            self.changed()

    def succeeded(self) -> None:
        """Record a successful commit."""
        if self.reason is None or self.stopped:
            return
        with self._guard:
            self.reason = self.public = None
        log.warning("the database takes writes again; %d usage records were dropped since the start", self.dropped)

    def drop(self, records: int) -> None:
        """Count dropped usage records."""
        with self._guard:
            self.dropped += records

    def reject(self, records: int) -> None:
        """Count usage records that the database refused."""
        with self._guard:
            self.rejected += records
