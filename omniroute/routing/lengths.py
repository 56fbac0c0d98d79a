"""How long the answers of a model are for a key: what is set aside for one that is yet to come."""

from collections import OrderedDict

ENOUGH = 5
"""Answers that must be known before they are believed."""
WEIGHT = 0.125
"""Of the newest answer in the average."""
SPREAD = 4
"""How many times the usual distance from the average an answer may lie above it."""
MOST = 4096
"""Keys and models that are remembered."""

type Whose = tuple[str, str]
"""A key's id and a target's name."""


class Lengths:
    """Averages that move with the answers."""

    def __init__(self) -> None:
        self._known: OrderedDict[Whose, tuple[int, float, float]] = OrderedDict()

    def learn(self, whose: Whose, tokens: int) -> None:
        """Take in how long an answer was."""
        count, mean, spread = self._known.pop(whose, (0, float(tokens), 0.0))
        off = tokens - mean
        self._known[whose] = count + 1, mean + WEIGHT * off, spread + WEIGHT * (abs(off) - spread)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def longest(self, whose: Whose) -> int | None:
        """Say how long an answer will hardly be; None where too few are known."""
        count, mean, spread = self._known.get(whose, (0, 0.0, 0.0))
        return int(mean + SPREAD * spread) + 1 if count >= ENOUGH else None
