"""Counters and histograms since the start, for the Prometheus endpoint."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from omniroute.store.history import bounds
from omniroute.store.history.usage import UsageRow

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the histogram buckets, in seconds."""
NO_KEY = "none"
"""Provider label of an exchange that no provider was tried for."""
OTHER = "other"
"""Label for values beyond a bound."""
MAX_PROVIDERS = 200
"""Maximum number of provider labels, as nodes can be added and removed without limit."""
MAX_OUTCOMES = 100
"""Maximum number of labels for attempt outcomes, and for reasons of protocol errors."""
STATUSES = range(100, 600)


@dataclass(slots=True)
class Histogram:
    """A histogram of times in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds


@dataclass(slots=True)
class Metrics:
    """Counters by provider. Models and keys are no labels, as their number is unbounded."""

    exchanges: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(provider, status) -> exchanges."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Outcome -> attempts."""
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(provider, kind) -> tokens that the upstream reported."""
    cost: dict[str, float] = field(default_factory=dict)
    unknown_cost: Counter[str] = field(default_factory=Counter)
    """Provider -> exchanges that used tokens of unknown price."""
    protocol_errors: Counter[str] = field(default_factory=Counter)
    """Reason -> HTTP protocol violations by clients."""
    latency: dict[str, Histogram] = field(default_factory=dict)
    ttft: dict[str, Histogram] = field(default_factory=dict)

    def protocol_error(self, reason: str) -> None:
        """Count an HTTP protocol violation."""
        _count(self.protocol_errors, reason)

    def add(self, row: UsageRow) -> None:
        provider = row.provider or NO_KEY
        if provider not in self.latency and len(self.latency) >= MAX_PROVIDERS:
            provider = OTHER
        status = row.status or 0
        self.exchanges[provider, str(status) if status == 0 or status in STATUSES else OTHER] += 1
        for attempt in row.attempts:
            _count(self.attempts, attempt.outcome)
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning"):
            if count := bounds.count(getattr(row, kind)):
                self.tokens[provider, kind] += count
        if (cost := bounds.number(row.cost, bounds.MAX_COST)) is not None:
            self.cost[provider] = self.cost.get(provider, 0.0) + cost
        elif row.input or row.output:
            self.unknown_cost[provider] += 1
        self.latency.setdefault(provider, Histogram()).add(row.latency_ms / 1000)
        if row.ttft_ms is not None:
            self.ttft.setdefault(provider, Histogram()).add(row.ttft_ms / 1000)


def _count(counter: Counter[str], label: str) -> None:
    """Increment a label's counter; beyond the bound, new labels are counted as `OTHER`."""
    counter[label if label in counter or len(counter) < MAX_OUTCOMES else OTHER] += 1
