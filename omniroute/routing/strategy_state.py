"""Whose turn it is: what the strategies remember from one request to the next.

Only counts, no clock: calls are numbered, so that the order of two uses is never in doubt.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """The last time that an account was asked."""

    provider: str
    serial: int
    """The number of that call among all calls of the gateway; the highest is the newest."""
    streak: int
    """Calls in a row, while no other account of its provider was asked."""
    at: float = 0.0
    """Seconds of the epoch, for people to read."""


@dataclass(frozen=True, slots=True)
class StrategyChanges:
    """What has to be saved, or forgotten, since it was last asked for."""

    uses: Mapping[str, Use | None]
    calls: Mapping[tuple[str, str], int | None]


class StrategyState:
    """The memory of all strategies."""

    def __init__(
        self, uses: Mapping[str, Use] | None = None, calls: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        """Take what was saved: account id -> use, (combo, what it lists) -> calls."""
        self._uses = dict(uses or {})
        self._calls = dict(calls or {})
        self._newest: dict[str, str] = {}
        for account in sorted(self._uses, key=lambda account: self._uses[account].serial):
            self._newest[self._uses[account].provider] = account
        self._serial = max((use.serial for use in self._uses.values()), default=0)
        self._changed_uses: set[str] = set()
        self._changed_calls: set[tuple[str, str]] = set()

    def serial(self, account: str) -> int:
        """Number an account's last call; 0 when it was never asked."""
        use = self._uses.get(account)
        return use.serial if use else 0

    def newest(self, provider: str) -> tuple[str, int] | None:
        """Give the account of a provider that was asked last, and how often in a row."""
        account = self._newest.get(provider)
        return (account, self._uses[account].streak) if account is not None else None

    def calls(self, combo: str, listed: str) -> int:
        """Say how often a combo has led to one of the models or combos that it lists."""
        return self._calls.get((combo, listed), 0)

    def turn(self, combo: str) -> int:
        """Say how often a combo has been asked at all."""
        return self._calls.get((combo, ""), 0)

    def record_call(self, provider: str, account: str, at: float) -> None:
        """Note that an account is being asked."""
        self._serial += 1
        streak = self._uses[account].streak + 1 if self._newest.get(provider) == account else 1
        self._uses[account] = Use(provider, self._serial, streak, at)
        self._newest[provider] = account
        self._changed_uses.add(account)

    def counter(self, path: Iterable[tuple[str, str]]) -> None:
        """Note that combos have led to something that they list: (combo, listed), from the outermost in."""
        for step in path:
            self._count(step)

    def advance(self, combos: Iterable[str]) -> None:
        """Note that requests have come to combos."""
        for combo in combos:
            self._count((combo, ""))

    def _count(self, step: tuple[str, str]) -> None:
        self._calls[step] = self._calls.get(step, 0) + 1
        self._changed_calls.add(step)

    def keep(self, accounts: Iterable[str], combos: Container[str]) -> None:
        """Forget all other accounts, and what all other combos have led to."""
        for account in self._uses.keys() - set(accounts):
            self.forget(account)
        for step in [step for step in self._calls if step[0] not in combos]:
            del self._calls[step]
            self._changed_calls.add(step)

    def forget(self, account: str) -> None:
        """Forget that an account was ever asked."""
        if use := self._uses.pop(account, None):
            self._changed_uses.add(account)
            if self._newest.get(use.provider) == account:
                del self._newest[use.provider]

    def changes(self) -> StrategyChanges | None:
        """Give what has changed since the last call; None when nothing has."""
        if not self._changed_uses and not self._changed_calls:
            return None
        found = StrategyChanges(
            {account: self._uses.get(account) for account in self._changed_uses},
            {step: self._calls.get(step) for step in self._changed_calls},
        )
        self._changed_uses.clear()
        self._changed_calls.clear()
        return found
