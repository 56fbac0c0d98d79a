"""What is done about an answer that breaks off after the client has heard its beginning."""

from dataclasses import dataclass

MOST_RESUMED = 3


@dataclass(frozen=True, slots=True)
class ResumeRules:
    """Whether another target goes on from there."""

    enabled: bool = False
    most: int = 1
    """How often one answer is gone on with."""
