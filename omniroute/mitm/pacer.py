"""Spread the work that clients cause over iterations of the event loop.

Thousands of sockets can become readable at once. Handled in one iteration, they would keep the loop from everything
else for seconds. The pacer starts a few units of work in each iteration, fewer while iterations are slow.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

MOST = 32
"""Units of work that start in one iteration at most."""
LEAST = 4
"""Units that start in every iteration, however slow it is."""
SLOW = 0.035
"""Seconds of an iteration above which the next one starts less."""
QUICK = 0.025
"""Seconds of an iteration below which the next one starts more."""

type Work = Callable[[], None]


class Pacer:
    """A queue of work, started in order. `try_now` costs next to nothing while there is no queue."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        active: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`active` is called whenever there is work."""
        self._loop, self._active, self._clock = loop, active, clock
        self._queue: deque[Work] = deque()
        self._batch = self._left = MOST
        self._counting = False
        self._since = float("-inf")

    def __len__(self) -> int:
        return len(self._queue)

    def try_now(self) -> bool:
        """Return whether a unit of work may start right away; it is counted then."""
        self._active()
        if self._queue:
            return False
        if not self._counting:
            self._counting, self._left = True, self._batch
            self._loop.call_soon(self._next_iteration)
        self._left -= 1
        return self._left >= 0

    def _next_iteration(self) -> None:
        self._counting = False

    def submit(self, work: Work) -> None:
        """Start work in its turn."""
        self._active()
        if not self._queue:
            self._since = self._clock()
            self._loop.call_soon(self._turn)
        self._queue.append(work)

    def _turn(self) -> None:
        now = self._clock()
        took, self._since = now - self._since, now
        if took > SLOW:
            self._batch = max(LEAST, self._batch // 2)
        elif took < QUICK:
            self._batch = min(MOST, self._batch + 1)
        for _ in range(min(self._batch, len(self._queue))):
            try:
                self._queue[0]()
            except Exception:
                log.exception("a client's data could not be handled")
            self._queue.popleft()  # not before: work that comes meanwhile belongs behind it
        self._left = 0
        if self._queue:
            self._loop.call_soon(self._turn)
