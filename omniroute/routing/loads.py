"""How badly each account stands right now: what it is busy with, and whether it has failed of late."""

from collections import Counter
from math import inf

FAILED = 10.0
"""What a fresh failure weighs, in exchanges in flight."""
FORGIVEN = 60.0
"""Seconds until a failure counts no more: who is never asked could never show that it has recovered."""


class Loads:
    """Counts by account. Clocks are arguments; an answer makes up for all failures before its attempt began."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._failed: dict[str, float] = {}

    def began(self, account: str) -> None:
        self._in_flight[account] += 1

    def ended(self, account: str, *, failed: bool | None, now: float, began: float = inf) -> None:
        """Note the end of what began at `began`; `failed` is None where it says nothing about the account."""
        self._in_flight[account] -= 1
        if self._in_flight[account] <= 0:
            del self._in_flight[account]
        if failed:
            self._failed[account] = now
        elif failed is not None and began >= self._failed.get(account, began):
            self._failed.pop(account, None)

    def in_flight(self, account: str) -> int:
        """Count what an account is busy with."""
        return self._in_flight[account]

    def all(self) -> dict[str, int]:
        """Count what each account is busy with that is busy."""
        return dict(self._in_flight)

    def load(self, account: str, now: float) -> float:
        """Weigh an account: the lower the better it stands."""
        age = now - self._failed.get(account, -FORGIVEN)
        return self._in_flight[account] + FAILED * max(0.0, 1 - age / FORGIVEN)
