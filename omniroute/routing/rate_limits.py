"""How often, how densely and how much at once an account may be asked. Nothing is limited unless somebody says so.

Who asks is counted from being let in to the last byte of its reply; clocks are arguments.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from omniroute.config.model import UNLIMITED, Limit

FAILED = 10.0
"""What a fresh failure weighs, in exchanges in flight."""
FORGIVEN = 60.0
"""Seconds until a failure counts no more: who is never asked could never show that it has recovered."""


class InFlight:
    """Counts by account. Clocks are arguments; an answer makes up for all failures before its attempt began."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._failed: dict[str, float] = {}

    def started(self, account: str) -> None:
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


MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an account or a model of it may not be asked now."""

    seconds: float
    """Until then at least; 0 where only the end of another exchange can make room."""
    why: str


class RateLimits:
    """What the limited accounts are doing. How busy an account is, is what `Loads` counts for all of them."""

    def __init__(self, loads: InFlight) -> None:
        self.set: Mapping[str, Limit] = {}
        """Account id -> what was set; may be replaced at any moment."""
        self._loads = loads
        self._begun: dict[str, deque[float]] = {}
        self._shut: dict[tuple[str, str], float] = {}

    def wait(self, account: str, now: float) -> Wait | None:
        """Say why an account may not be asked now; None when it may."""
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
        """Say for how long the provider itself wants an account not to be asked for a model."""
        if not self._shut or (until := self._shut.get((account, model))) is None:
            return None
        if until <= now:
            del self._shut[account, model]
            return None
        return Wait(until - now, "its provider says that no request is left for now")

    def learn(self, account: str, model: str, until: float) -> None:
        """Note that the provider allows no further request until then."""
        self._shut[account, model] = max(until, self._shut.get((account, model), 0.0))

    def begin(self, account: str, now: float) -> None:
        """Let one in: from here on it counts."""
        self._loads.started(account)
        if self.counts(account):
            begun = self._begun.setdefault(account, deque())
            begun.append(now)
            while begun[0] + MINUTE <= now and len(begun) > 1:  # the newest stays for a gap longer than a minute
                begun.popleft()

    def counts(self, account: str) -> bool:
        """Tell whether it matters how often an account is asked, and when."""
        limit = self.set.get(account)
        return limit is not None and (limit.rpm is not None or bool(limit.gap))

    def take_up(self, account: str, begun: Iterable[float]) -> None:
        """Go on from when an account was asked before; the oldest first."""
        if self.counts(account):
            self._begun.setdefault(account, deque()).extend(begun)

    def end(self, account: str) -> None:
        """Note the end of one that was let in, and says nothing about the account."""
        self._loads.ended(account, failed=None, now=0.0)

    def take_back(self, account: str, at: float) -> None:
        """Forget a beginning of which the upstream has heard nothing; how busy the account is, is not told here."""
        begun = self._begun.get(account, ())
        for place in range(len(begun) - 1, -1, -1):  # it is one of the newest
            if begun[place] == at:
                del self._begun[account][place]
                return

    def in_use(self, account: str, now: float) -> tuple[int, int]:
        """Give how many are in flight, and how many have begun in the last minute as far as that is counted."""
        recent = sum(1 for at in self._begun.get(account, ()) if at + MINUTE > now)
        return self._loads.in_flight(account), recent

    def learned(self) -> Mapping[tuple[str, str], float]:
        """Give what was learned: (account id, model) -> until when."""
        return dict(self._shut)

    def forget(self, accounts: set[str] | None = None) -> None:
        """Forget what was learned of some accounts; None forgets it all."""
        for key in [key for key in self._shut if accounts is None or key[0] in accounts]:
            del self._shut[key]

    def keep(self, accounts: set[str]) -> None:
        """Forget accounts that are no more, or limited no more."""
        for account in self._begun.keys() - (accounts & self.set.keys()):
            del self._begun[account]
        self.forget({account for account, _ in self._shut} - accounts)
