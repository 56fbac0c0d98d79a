"""What is done about an answer that breaks off after the client has heard its beginning, or does not begin."""

from dataclasses import dataclass

MOST_RESUMED = 3


@dataclass(frozen=True, slots=True)
class ResumeRules:
    """Whether another target goes on from there."""

    enabled: bool = False
    most: int = 1
    """How often one answer is gone on with."""


@dataclass(frozen=True, slots=True)
class HedgeRules:
    """Whether the next target is asked too, when one is later than it mostly is."""

    enabled: bool = False
    least: float = 1.0
    """Seconds that every target is given."""
    share: float = 0.05
    """The part of all requests that this is done for at most."""
