"""Rate limits of accounts and keys: requests per minute, minimum gap, concurrency. Unlimited unless configured.

A request counts from its admission to the last byte of its response; clocks are arguments.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from omniroute.config.model import UNLIMITED, Limit

FAILED = 10.0
"""Weight of a fresh failure, in exchanges in flight."""
FORGIVEN = 60.0
"""Seconds over which a failure's weight decays to 0, so that a failed account is tried again."""


class InFlight:
    """Exchanges in flight and the last failure, by account. A success clears failures before its attempt began."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._failed: dict[str, float] = {}

    def started(self, account: str) -> None:
        self._in_flight[account] += 1

    def ended(self, account: str, *, failed: bool | None, now: float, began: float = inf) -> None:
        """Count the end of an attempt begun at `began`; `failed` is None where it says nothing about the account."""
        self._in_flight[account] -= 1
        if self._in_flight[account] <= 0:
            del self._in_flight[account]
        if failed:
            self._failed[account] = now
        elif failed is not None and began >= self._failed.get(account, began):
            self._failed.pop(account, None)

    def in_flight(self, account: str) -> int:
        """Return the number of exchanges of an account in flight."""
        return self._in_flight[account]

    def all(self) -> dict[str, int]:
        """Return the number of exchanges in flight by account, for accounts that have any."""
        return dict(self._in_flight)

    def load(self, account: str, now: float) -> float:
        """Return the load of an account: exchanges in flight plus the weight of a recent failure."""
        age = now - self._failed.get(account, -FORGIVEN)
        return self._in_flight[account] + FAILED * max(0.0, 1 - age / FORGIVEN)


MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an account, or one of its models, cannot be used now."""

    seconds: float
    """Minimum wait; 0 where only the end of another exchange frees capacity."""
    why: str


class RateLimits:
    """Limits and request windows of the limited accounts. Exchanges in flight are counted in `InFlight`."""

    def __init__(self, loads: InFlight) -> None:
        self.set: Mapping[str, Limit] = {}
        """Account id -> configured limit; may be replaced at any moment."""
        self._loads = loads
        self._begun: dict[str, deque[float]] = {}
        self._shut: dict[tuple[str, str], float] = {}

    def wait(self, account: str, now: float) -> Wait | None:
        """Return why an account cannot be used now by its configured limit; None when it can."""
        limit = self.set.get(account, UNLIMITED)
        if limit is UNLIMITED:
            return None
        begun = self._begun.get(account, ())
        if limit.gap and begun and begun[-1] + limit.gap > now:
            gap = Wait(begun[-1] + limit.gap - now, f"{limit.gap * 1000:g} ms must lie between two requests")
        else:
            gap = None
        if limit.rpm is not None and len(begun) >= limit.rpm and begun[-limit.rpm] + MINUTE > now:
            seconds = begun[-limit.rpm] + MINUTE - now
            if gap is None or seconds > gap.seconds:
                return Wait(seconds, f"it is at its limit of {limit.rpm} requests a minute")
        if gap is None and limit.concurrency is not None and self._loads.in_flight(account) >= limit.concurrency:
            return Wait(0.0, f"it is at its limit of {limit.concurrency} at once")
        return gap

    def shut(self, account: str, model: str, now: float) -> Wait | None:
        """Return the rest of a provider-side rate limit on a model of an account; None if there is none."""
        if not self._shut or (until := self._shut.get((account, model))) is None:
            return None
        if until <= now:
            del self._shut[account, model]
            return None
        return Wait(until - now, "its provider says that no request is left for now")

    def learn(self, account: str, model: str, until: float) -> None:
        """Record that the provider allows no further request until `until`."""
        self._shut[account, model] = max(until, self._shut.get((account, model), 0.0))

    def begin(self, account: str, now: float) -> None:
        """Count the start of a request."""
        self._loads.started(account)
        if self.counts(account):
            begun = self._begun.setdefault(account, deque())
            begun.append(now)
            while begun[0] + MINUTE <= now and len(begun) > 1:  # the newest stays, for a gap longer than a minute
                begun.popleft()

    def counts(self, account: str) -> bool:
        """Return whether a limit on requests per minute or on their gap applies to an account."""
        limit = self.set.get(account)
        return limit is not None and (limit.rpm is not None or bool(limit.gap))

    def take_up(self, account: str, begun: Iterable[float]) -> None:
        """Restore the request times of an account, oldest first."""
        if self.counts(account):
            self._begun.setdefault(account, deque()).extend(begun)

    def end(self, account: str) -> None:
        """Count the end of a request that says nothing about the account's health."""
        self._loads.ended(account, failed=None, now=0.0)

    def take_back(self, account: str, at: float) -> None:
        """Remove a request that was never sent from the window; exchanges in flight do not change."""
        begun = self._begun.get(account, ())
        for place in range(len(begun) - 1, -1, -1):  # it is one of the newest
            if begun[place] == at:
                del self._begun[account][place]
                return

    def in_use(self, account: str, now: float) -> tuple[int, int]:
        """Return the exchanges in flight, and the counted requests started in the last minute."""
        recent = sum(1 for at in self._begun.get(account, ()) if at + MINUTE > now)
        return self._loads.in_flight(account), recent

    def learned(self) -> Mapping[tuple[str, str], float]:
        """Return the provider-side limits: (account id, model) -> end."""
        return dict(self._shut)

    def forget(self, accounts: set[str] | None = None) -> None:
        """Clear the provider-side limits of some accounts; None clears all."""
        for key in [key for key in self._shut if accounts is None or key[0] in accounts]:
            del self._shut[key]

    def keep(self, accounts: set[str]) -> None:
        """Drop the state of accounts that are gone or no longer limited."""
        for account in self._begun.keys() - (accounts & self.set.keys()):
            del self._begun[account]
        self.forget({account for account, _ in self._shut} - accounts)
