"""When a target that is late gets another one beside it, and how often that may be. No clock of its own.

Late is what is later than 95 of 100 of its own answers of late, so each account and model has its own measure.
"""

from collections import OrderedDict, deque
from math import ceil

KEPT = 100
"""Times that are remembered of one account and model."""
ENOUGH = 20
"""Times without which nobody knows what late is."""
LATE = 0.95
MOST = 2000
"""Accounts and models that are remembered; those that answered longest ago go first."""
BURST = 5.0
"""Hedges that may follow each other at once, where none was needed for long."""

type LatencyKey = tuple[str, str, bool]
"""(account id, model, whether it streams): a whole reply has its first content at its end."""


class LatencyTracker:
    """How long it took of late until accounts had said something."""

    def __init__(self) -> None:
        self._times: OrderedDict[LatencyKey, deque[float]] = OrderedDict()

    def add(self, whose: LatencyKey, seconds: float) -> None:
        """Note the time to one first content."""
        if (times := self._times.get(whose)) is None:
            times = self._times[whose] = deque(maxlen=KEPT)
            if len(self._times) > MOST:
                self._times.popitem(last=False)
        else:
            self._times.move_to_end(whose)
        times.append(seconds)

    def threshold(self, whose: LatencyKey) -> float | None:
        """Give the seconds that 95 of 100 answers do not take; None where too few are known."""
        times = self._times.get(whose, ())
        return sorted(times)[ceil(LATE * len(times)) - 1] if len(times) >= ENOUGH else None

    def retain(self, accounts: set[str]) -> None:
        """Forget the accounts that are no more."""
        for whose in [whose for whose in self._times if whose[0] not in accounts]:
            del self._times[whose]


class HedgeBudget:
    """Bounds how many of all requests are hedged: of n in a row never more than their share and a few."""

    def __init__(self) -> None:
        self._left = 0.0

    def add_request(self, share: float) -> None:
        """Count a request that may be hedged; `share` is the part of them that is."""
        self._left = min(self._left + share, BURST)

    def try_acquire(self) -> bool:
        """Hedge a request, if that is not too often."""
        if self._left < 1 - 1e-9:  # twenty times a twentieth is a little less than one
            return False
        self._left -= 1
        return True
