"""Hedging: when to start a parallel attempt for a slow target, and how often that is allowed.

The threshold is the 95th percentile of recent times to first content, kept per account and model.
"""

from collections import OrderedDict, deque
from math import ceil

KEPT = 100
"""Samples to keep per account and model."""
ENOUGH = 20
"""Minimum number of samples for a threshold."""
LATE = 0.95
MOST = 2000
"""Maximum number of keys to keep; the least recently updated are evicted first."""
BURST = 5.0
"""Hedges that may follow each other at once, after a time without any."""

type LatencyKey = tuple[str, str, bool]
"""(account id, model, whether it streams): a complete response has its first content only at its end."""


class LatencyTracker:
    """Recent times to first content, per account and model."""

    def __init__(self) -> None:
        self._times: OrderedDict[LatencyKey, deque[float]] = OrderedDict()

    def add(self, whose: LatencyKey, seconds: float) -> None:
        """Record one time to first content."""
        if (times := self._times.get(whose)) is None:
            times = self._times[whose] = deque(maxlen=KEPT)
            if len(self._times) > MOST:
                self._times.popitem(last=False)
        else:
            self._times.move_to_end(whose)
        times.append(seconds)

    def threshold(self, whose: LatencyKey) -> float | None:
        """Return the 95th percentile in seconds; None with too few samples."""
        times = self._times.get(whose, ())
        return sorted(times)[ceil(LATE * len(times)) - 1] if len(times) >= ENOUGH else None

    def retain(self, accounts: set[str]) -> None:
        """Drop the samples of all accounts but these."""
        for whose in [whose for whose in self._times if whose[0] not in accounts]:
            del self._times[whose]


class HedgeBudget:
    """A token bucket that bounds the share of requests that are hedged."""

    def __init__(self) -> None:
        self._left = 0.0

    def add_request(self, share: float) -> None:
        """Add the tokens of one request that may be hedged; `share` is the allowed share from 0 to 1."""
        self._left = min(self._left + share, BURST)

    def try_acquire(self) -> bool:
        """Take one token; return False when the budget is used up."""
        if self._left < 1 - 1e-9:  # a sum of shares such as 20 * 0.05 may round to slightly less than 1
            return False
        self._left -= 1
        return True
