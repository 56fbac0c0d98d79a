"""How long a request waits for what, in seconds: for all, and for whom something else is set."""

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
"""The deadlines, and what each is waited for."""
MAY_BE_NONE = frozenset({"queue", "total"})
"""Those that mean something when they are 0."""
THINKING = frozenset({"first_byte", "first_content", "idle"})
"""Those that are longer where the model thinks before it speaks."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Each counts from the start of its own phase."""

    queue: float = 30.0
    """Over all the accounts that a request waits for."""
    connect: float = 10.0
    first_byte: float = 120.0
    """From the request's last byte to the reply's head, in a stream."""
    first_content: float = 600.0
    """From the request's last byte to the first content; a whole reply is all content."""
    idle: float = 300.0
    """Between two pieces of a stream."""
    total: float = 0.0
    """From the request's last byte to the reply's, with all that is asked and waited for between them; 0 is none."""


@dataclass(frozen=True, slots=True)
class DeadlineSettings(Deadlines):
    """What holds where neither the combo nor the provider says anything else."""

    thinking: float = 3.0
    """How many times as long a model is waited for that thinks."""


def of_providers(values: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Pick what is set for providers, kept as `deadlines.PROVIDER.PHASE`: provider id -> phase -> seconds."""
    found: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if place := split(name):
            found.setdefault(place[0], {})[place[1]] = value
    return found


def split(name: str) -> tuple[str, str] | None:
    """Read `deadlines.PROVIDER.PHASE`; None for any other setting."""
    head, _, rest = name.partition(".")
    provider, _, phase = rest.rpartition(".")
    return (provider, phase) if head == "deadlines" and provider and phase in PHASES else None
