"""What has passed since the start, counted for machines that come by and ask."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from omniroute.store.history import bounds
from omniroute.store.history.usage import UsageRow

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper ends of the buckets in which times are counted."""
NO_KEY = "none"
"""The provider of an exchange that nobody was asked for."""
OTHER = "other"
"""The label of what exceeds a bound."""
MAX_PROVIDERS = 200
"""Distinct providers and nodes that have series of their own: nodes can be added and removed without end."""
MAX_OUTCOMES = 100
"""Distinct outcomes of attempts, and reasons of protocol errors."""
STATUSES = range(100, 600)


@dataclass(slots=True)
class Histogram:
    """A histogram."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds


@dataclass(slots=True)
class Metrics:
    """Counters by provider: there are few of these, while names of models and keys may be without end."""

    exchanges: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(provider, status)"""
    attempts: Counter[str] = field(default_factory=Counter)
    """Outcome of an attempt."""
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(provider, kind); what nobody has counted is not in it."""
    cost: dict[str, float] = field(default_factory=dict)
    unknown_cost: Counter[str] = field(default_factory=Counter)
    """Exchanges that used tokens at a price that nobody knows, by provider."""
    protocol_errors: Counter[str] = field(default_factory=Counter)
    """Violations of HTTP by clients, by reason."""
    latency: dict[str, Histogram] = field(default_factory=dict)
    ttft: dict[str, Histogram] = field(default_factory=dict)

    def protocol_error(self, reason: str) -> None:
        """Count a violation of HTTP."""
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
    """Count one more of a label; new labels beyond the bound count together."""
    counter[label if label in counter or len(counter) < MAX_OUTCOMES else OTHER] += 1
