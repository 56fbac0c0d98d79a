"""Persistent counters of the strategies: last use of accounts, and calls of combos.

No clock decides anything: calls are numbered, so that their order is unambiguous.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """The last use of an account."""

    provider: str
    serial: int
    """The number of that call among all calls of the gateway; the highest is the newest."""
    streak: int
    """Calls in a row without a call of another account of its provider."""
    at: float = 0.0
    """Seconds of the epoch, for display."""


@dataclass(frozen=True, slots=True)
class StrategyChanges:
    """Changes to save since the last call of `changes`; None as a value means removed."""

    uses: Mapping[str, Use | None]
    calls: Mapping[tuple[str, str], int | None]


class StrategyState:
    """The counters of all strategies."""

    def __init__(
        self, uses: Mapping[str, Use] | None = None, calls: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        """Take saved state: account id -> use, (combo, entry) -> calls."""
        self._uses = dict(uses or {})
        self._calls = dict(calls or {})
        self._newest: dict[str, str] = {}
        for account in sorted(self._uses, key=lambda account: self._uses[account].serial):
            self._newest[self._uses[account].provider] = account
        self._serial = max((use.serial for use in self._uses.values()), default=0)
        self._changed_uses: set[str] = set()
        self._changed_calls: set[tuple[str, str]] = set()

    def serial(self, account: str) -> int:
        """Return the serial number of an account's last call; 0 if it was never used."""
        use = self._uses.get(account)
        return use.serial if use else 0

    def newest(self, provider: str) -> tuple[str, int] | None:
        """Return the last used account of a provider, and its calls in a row; None if there is none."""
        account = self._newest.get(provider)
        return (account, self._uses[account].streak) if account is not None else None

    def calls(self, combo: str, listed: str) -> int:
        """Return how often a combo has selected one of its entries."""
        return self._calls.get((combo, listed), 0)

    def turn(self, combo: str) -> int:
        """Return the number of requests to a combo."""
        return self._calls.get((combo, ""), 0)

    def record_call(self, provider: str, account: str, at: float) -> None:
        """Record a call of an account."""
        self._serial += 1
        streak = self._uses[account].streak + 1 if self._newest.get(provider) == account else 1
        self._uses[account] = Use(provider, self._serial, streak, at)
        self._newest[provider] = account
        self._changed_uses.add(account)

    def counter(self, path: Iterable[tuple[str, str]]) -> None:
        """Count the entries that combos have selected: (combo, entry), outermost first."""
        for step in path:
            self._count(step)

    def advance(self, combos: Iterable[str]) -> None:
        """Count a request to each of some combos."""
        for combo in combos:
            self._count((combo, ""))

    def _count(self, step: tuple[str, str]) -> None:
        self._calls[step] = self._calls.get(step, 0) + 1
        self._changed_calls.add(step)

    def keep(self, accounts: Iterable[str], combos: Container[str]) -> None:
        """Drop the state of all other accounts and combos."""
        for account in self._uses.keys() - set(accounts):
            self.forget(account)
        for step in [step for step in self._calls if step[0] not in combos]:
            del self._calls[step]
            self._changed_calls.add(step)

    def forget(self, account: str) -> None:
        """Drop the state of an account."""
        if use := self._uses.pop(account, None):
            self._changed_uses.add(account)
            if self._newest.get(use.provider) == account:
                del self._newest[use.provider]

    def changes(self) -> StrategyChanges | None:
        """Return and clear the changes since the last call; None when there are none."""
        if not self._changed_uses and not self._changed_calls:
            return None
        found = StrategyChanges(
            {account: self._uses.get(account) for account in self._changed_uses},
            {step: self._calls.get(step) for step in self._changed_calls},
        )
        self._changed_uses.clear()
        self._changed_calls.clear()
        return found
