"""How often a running gateway copies its database, and how many copies stay."""

from dataclasses import dataclass

MOST_HOURS = 8760.0
MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class BackupRules:
    """Copies that nobody has asked for by name."""

    every: float = 24.0
    """Hours between two; 0 for none."""
    keep: int = 10
    """How many stay of each reason."""
