"""Deadlines of the phases of a request, in seconds: global defaults, and those of providers."""

from collections.abc import Mapping
from dataclasses import dataclass

PHASES = {
    "queue": "for an account that is at its limit; 0 waits for nobody",
    "connect": "for the connection",
    "first_byte": "for the head of a stream",
    "first_content": "for the first content",
    "idle": "between two pieces of a stream",
    "total": "for the end of the answer, whoever is asked on the way; 0 for ever",
}
"""Phase -> what its deadline limits."""
MAY_BE_NONE = frozenset({"queue", "total"})
"""Phases with a deadline that may be 0."""
THINKING = frozenset({"first_byte", "first_content", "idle"})
"""Phases with deadlines that are extended for reasoning models."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadlines in seconds, each counted from the start of its phase."""

    queue: float = 30.0
    """Total time in the queue, over all accounts."""
    connect: float = 10.0
    first_byte: float = 120.0
    """From the request's last byte to the response head, for a stream."""
    first_content: float = 600.0
    """From the request's last byte to the first content; without a stream, to the complete response."""
    idle: float = 300.0
    """Between two chunks of a stream."""
    total: float = 0.0
    """From the request's last byte to the response's, over all attempts and waits; 0 for no limit."""


@dataclass(frozen=True, slots=True)
class DeadlineSettings(Deadlines):
    """Global defaults, for combos and providers without their own deadlines."""

    thinking: float = 3.0
    """Factor for some deadlines of reasoning models."""


def of_providers(values: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Extract provider deadlines, stored as `deadlines.PROVIDER.PHASE`: provider id -> phase -> seconds."""
    found: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if place := split(name):
            found.setdefault(place[0], {})[place[1]] = value
    return found


def split(name: str) -> tuple[str, str] | None:
    """Split `deadlines.PROVIDER.PHASE` into provider and phase; None for any other setting."""
    head, _, rest = name.partition(".")
    provider, _, phase = rest.rpartition(".")
    return (provider, phase) if head == "deadlines" and provider and phase in PHASES else None
