"""Watch the lag of the event loop: how late its callbacks run, and which code held it.

A heartbeat on the loop measures the lag. A thread checks the heartbeat from outside: while the loop is held for too
long, only another thread can read the stack that holds it. Both slow down while no client sends anything.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

BEAT = 0.05
"""Seconds between two heartbeats."""
SAMPLE = 0.15
"""Seconds between two checks by the thread."""
QUIET_BEAT = 1.0
"""Seconds between heartbeats, and between checks, while no client sends anything."""
QUIET_AFTER = 20
"""Heartbeats without activity before both slow down."""
HELD = 0.25
"""Seconds of lag from which the stack is logged."""
LOG_EVERY = 10.0
"""Seconds between two log lines."""
STACK_FRAMES = 25
"""Innermost frames of a logged stack."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram's buckets, in seconds."""
WINDOW = 60.0
"""Seconds over which the recent maximum is taken."""
SLOT = 5.0
"""Seconds of one slot of this window."""


@dataclass(slots=True)
class LagRecord:
    """A histogram of the lag, its maximum, and its maximum of the last minute."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0
    maximum: float = 0.0
    held: int = 0
    """Times that the lag was over `HELD`."""
    slots: deque[tuple[float, float]] = field(default_factory=deque)
    """Start and maximum of each slot of the window."""

    def add(self, lag: float, now: float) -> None:
        """Count one heartbeat."""
        self.counts[bisect_left(BUCKETS, lag)] += 1
        self.sum += lag
        self.maximum = max(self.maximum, lag)
        self.held += lag > HELD
        if self.slots and now - self.slots[-1][0] < SLOT:
            if lag > self.slots[-1][1]:
                self.slots[-1] = self.slots[-1][0], lag
        else:
            self.slots.append((now, lag))
            while now - self.slots[0][0] > WINDOW:
                self.slots.popleft()

    def recent(self, now: float) -> float:
        """Return the maximum of the last minute, in seconds."""
        return max((lag for start, lag in self.slots if now - start <= WINDOW), default=0.0)


class LoopWatchdog:
    """The heartbeat and the thread that samples it. `start` and `stop` run on the loop that is watched."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lag = LagRecord()
        self._clock = clock
        self._due = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopped = False
        self._active_beats = 0
        """Heartbeats left until it slows down; 0 while it is slow."""
        self._watched = 0
        self._logged_at = float("-inf")
        self._logged_beat = 0.0

    def start(self) -> None:
        """Start the heartbeat on the running loop, and the sampling thread."""
        if self._thread:
            return
        self._loop, self._watched = asyncio.get_running_loop(), threading.get_ident()
        self._stopped = False
        self._arm()
        self._thread = threading.Thread(target=self._sample, name="omniroute loop watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the heartbeat and the thread."""
        self._stopped = True
        self._wake.set()
        if self._timer:
            self._timer.cancel()
        if self._thread:
            self._thread.join()
        self._thread = self._timer = self._loop = None

    def active(self) -> None:
        """Measure at the short interval from now on, because a client sends something."""
        if not self._active_beats and self._timer:
            self._active_beats = QUIET_AFTER
            self._timer.cancel()
            self._arm()
            self._wake.set()
        self._active_beats = QUIET_AFTER

    def _arm(self) -> None:
        assert self._loop
        seconds = BEAT if self._active_beats else QUIET_BEAT
        self._due = self._clock() + seconds
        self._timer = self._loop.call_later(seconds, self._beat)

    def _beat(self) -> None:
        now = self._clock()
        self.lag.add(max(0.0, now - self._due), now)
        if self._active_beats:
            self._active_beats -= 1
        self._arm()

    def _sample(self) -> None:
        while not self._stopped:
            if self._wake.wait(SAMPLE if self._active_beats else QUIET_BEAT):
                self._wake.clear()
            due, now = self._due, self._clock()
            if now - due > HELD and due != self._logged_beat and now - self._logged_at >= LOG_EVERY:
                self._logged_beat, self._logged_at = due, now
                log.warning("the event loop has been held for %.2f s by:\n%s", now - due, self._stack())

    def _stack(self) -> str:
        """Return the innermost frames of the loop's thread: names and lines of code, never values."""
        frame = sys._current_frames().get(self._watched)
        if frame is None:
            return "(its thread has ended)"
        found = traceback.extract_stack(frame)[-STACK_FRAMES:]
        return "".join(traceback.StackSummary.from_list(found).format()).rstrip()
