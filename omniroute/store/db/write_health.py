"""Whether the database takes writes, and what was not written."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from omniroute.store.db.disk_errors import DiskError

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WriteHealth:
    """The state of writing to one database, shared by all threads of a process."""

    reason: str | None = None
    """Why writes fail now, in one sentence; None while they work."""
    public: str | None = None
    """The same without paths, for who is not logged in."""
    stopped: bool = False
    """Whether nothing is written any more, since writing could do harm."""
    dropped: int = 0
    """Usage records that were given up since the start because too many waited."""
    rejected: int = 0
    """Usage records since the start that the database refused, each alone."""
    changed: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called when writes begin to fail, from any thread."""
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def failed(self, error: DiskError) -> None:
        """Note that a write has failed; logged once until writes work again."""
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
        """Note that a write is on the disk."""
        if self.reason is None or self.stopped:
            return
        with self._guard:
            self.reason = self.public = None
        log.warning("the database takes writes again; %d usage records were dropped since the start", self.dropped)

    def drop(self, records: int) -> None:
        """Count usage records that are given up."""
        with self._guard:
            self.dropped += records

    def reject(self, records: int) -> None:
        """Count usage records that the database refused."""
        with self._guard:
            self.rejected += records
