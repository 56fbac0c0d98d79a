"""What keys have spent, as the history says: read at the start, and whenever its days or its prices have changed."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from datetime import tzinfo

from omniroute.pending import Pending
from omniroute.routing.budgets import Ledger
from omniroute.routing.periods import PERIODS, Period, span, zone_of
from omniroute.store import budgets
from omniroute.store.budgets import Spent
from omniroute.store.files import StoreError
from omniroute.tasks import Tasks

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds to wait after a reading that failed."""


class SpentReader:
    """Fills the ledger from the history; what is spent while it reads is added to what it finds."""

    def __init__(self, ledger: Ledger, pending: Pending, tasks: Tasks, wall: Callable[[], float]) -> None:
        self.known = asyncio.Event()
        """Set when it is known what keys have spent: requests that come under a budget wait for that."""
        self._ledger, self._pending, self._tasks, self._wall = ledger, pending, tasks, wall
        self._readings = 0

    def read(self, zone_name: str) -> None:
        """Read anew, by the calendar of a zone. The last of several readings counts."""
        zone, now = zone_of(zone_name), self._wall()
        spans = {period: span(period, now, zone) for period in PERIODS}
        job = self._pending.read(lambda store: budgets.spent(store, spans))
        self._ledger.begin_reading()
        self._readings += 1
        self._tasks.start(self._take(self._readings, job, zone_name, zone, now), "spent")

    async def _take(
        self,
        reading: int,
        job: "Future[dict[tuple[str, Period], Spent]]",
        zone_name: str,
        zone: tzinfo | None,
        now: float,
    ) -> None:
        try:
            found = await asyncio.wrap_future(job)
        except StoreError as error:
            log.error("what keys have spent could not be read, and is read again: %s", error)
            await asyncio.sleep(PAUSE)
            if reading == self._readings:
                self.read(zone_name)
            return
        if reading == self._readings:
            self._ledger.read({place: one.usd for place, one in found.items()}, zone, now)
            self.known.set()
