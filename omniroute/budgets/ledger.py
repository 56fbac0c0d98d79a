"""What keys may spend: the rules, what is spent, and what is set aside for requests that are still running.

Money is counted in whole parts, so that nothing is lost or made by rounding, in whatever order things end.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from omniroute.budgets.periods import LOCAL, PERIODS, Period, span

PARTS = 10**12
"""Parts of a dollar."""
WARN = 0.8
NO_KEY = ""
"""The id of all requests without a key."""


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """What holds for all budgets."""

    zone: str = LOCAL
    """The time zone in which days begin."""
    unknown: str = "allow"
    """Whether a request may go to a model without a known price."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a key may spend in each period."""

    key: str
    period: Period
    limit: float
    """USD."""
    warn: float = WARN
    """The part of it from which on warnings are said."""


type Budgets = Mapping[str, tuple[Budget, ...]]
"""Key id -> its budgets, the shortest period first."""
type Sums = Mapping[tuple[str, Period], float]
"""(key id, period) -> USD that the history says were spent in the period of now."""


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """How a budget stands at a moment, in USD."""

    budget: Budget
    spent: float
    reserved: float
    """Set aside for requests that are running."""
    resets_at: float
    """When it begins anew, as seconds of the epoch."""

    @property
    def left(self) -> float:
        return self.budget.limit - self.spent - self.reserved

    @property
    def at_warning(self) -> bool:
        return self.spent >= self.budget.limit * self.budget.warn


@dataclass(slots=True, eq=False)
class Reservation:
    """Money that is set aside for one request."""

    key: str
    at: float
    """Its request began then: it counts in the periods of that moment."""
    parts: int
    tokens_in: int = 0
    tokens_out: int = 0
    """What it was estimated from."""


@dataclass(slots=True)
class _Sum:
    spent: int = 0
    held: int = 0


@dataclass(slots=True)
class Ledger:
    """What every key has spent in the periods of now, and what is set aside.

    Only the periods of now and those just before are remembered: a clock that is set back by less than a period
    finds what was spent there, and the history knows all of it.
    """

    zone: tzinfo | None = None
    _sums: dict[tuple[str, Period, float], _Sum] = field(default_factory=dict)
    _holds: set[Reservation] = field(default_factory=set)
    _spans: dict[Period, tuple[float, float]] = field(default_factory=dict)
    _booked: list[tuple[str, float, int]] | None = None
    """What was spent while the history is being read."""

    def starts(self, now: float) -> dict[Period, tuple[float, float]]:
        """Give the periods that a moment lies in."""
        return {period: self._span(period, now) for period in PERIODS}

    def status(self, budgets: Iterable[Budget], now: float) -> list[BudgetStatus]:
        """Say how budgets stand."""
        found = []
        for budget in budgets:
            start, end = self._span(budget.period, now)
            total = self._sums.get((budget.key, budget.period, start)) or _Sum()
            found.append(BudgetStatus(budget, total.spent / PARTS, total.held / PARTS, end))
        return found

    def reserved(self, key: str, period: Period, start: float) -> float:
        """Give what is set aside in a period that begins at a moment; changes nothing, so any thread may ask."""
        total = self._sums.get((key, period, start))
        return total.held / PARTS if total else 0.0

    def refusal(self, budgets: Iterable[Budget], cost: float, now: float) -> BudgetStatus | None:
        """Give the budget that a request of this cost would go over, the one that lasts longest of several."""
        over = [stands for stands in self.status(budgets, now) if _over(stands, cost)]
        return max(over, key=lambda stands: stands.resets_at, default=None)

    def reserve(self, key: str, cost: float, at: float, tokens_in: int = 0, tokens_out: int = 0) -> Reservation:
        """Set aside what a request is expected to cost."""
        made = Reservation(key, at, _parts(cost), tokens_in, tokens_out)
        self._holds.add(made)
        for total in self._at(key, at):
            total.held += made.parts
        return made

    def extend(self, hold: Reservation, cost: float) -> None:
        """Set aside more for the same request."""
        more = _parts(cost)
        hold.parts += more
        for total in self._at(hold.key, hold.at):
            total.held += more

    def settle(self, hold: Reservation, cost: float) -> bool:
        """Count what a request has cost instead of what was set aside; once, however often it is told."""
        if not self.release(hold):
            return False
        self.spend(hold.key, cost, hold.at)
        return True

    def release(self, hold: Reservation) -> bool:
        """Give back what was set aside; False when that was done before."""
        if hold not in self._holds:
            return False
        self._holds.discard(hold)
        for total in self._at(hold.key, hold.at):
            total.held -= hold.parts
        return True

    def spend(self, key: str, cost: float, at: float) -> None:
        """Count what was spent by a request that began at a moment."""
        parts = _parts(cost)
        for total in self._at(key, at):
            total.spent += parts
        if self._booked is not None:
            self._booked.append((key, at, parts))

    def begin_reading(self) -> None:
        """Remember what is spent from here on: what was spent before is in the history that is read now."""
        self._booked = []

    def read(self, sums: Sums, zone: tzinfo | None, now: float) -> None:
        """Go on from what the history says, in days of a zone, with what was spent and set aside since."""
        booked, self._booked = self._booked or [], None
        self.zone, self._sums, self._spans = zone, {}, {}
        for (key, period), spent in sums.items():
            self._sum(key, period, self._span(period, now)[0]).spent = _parts(spent)
        for key, at, parts in booked:
            for total in self._at(key, at):
                total.spent += parts
        for hold in self._holds:
            for total in self._at(hold.key, hold.at):
                total.held += hold.parts

    def _at(self, key: str, at: float) -> list[_Sum]:
        return [self._sum(key, period, self._span(period, at)[0]) for period in PERIODS]

    def _sum(self, key: str, period: Period, start: float) -> _Sum:
        return self._sums.setdefault((key, period, start), _Sum())

    def _span(self, period: Period, at: float) -> tuple[float, float]:
        """Give the period of a moment; mostly that of the moment before."""
        known = self._spans.get(period)
        if known is None or not known[0] <= at < known[1]:
            new = span(period, at, self.zone)
            if known is None or new[0] > known[0]:
                self._spans[period] = new
                self._forget(period, known[0] if known else new[0])
            return new
        return known

    def _forget(self, period: Period, before: float) -> None:
        """Let go of what lies more than a period back, but for what is still set aside there."""
        gone = [at for at, total in self._sums.items() if at[1] == period and at[2] < before and not total.held]
        for at in gone:
            del self._sums[at]


def _over(stands: BudgetStatus, cost: float) -> bool:
    """Say whether a cost does not fit any more; where all is spent nothing fits, not even what costs nothing."""
    limit, spent = _parts(stands.budget.limit), _parts(stands.spent)
    return spent >= limit or spent + _parts(stands.reserved) + _parts(cost) > limit


def _parts(cost: float) -> int:
    return round(cost * PARTS)


MIN_SAMPLES = 5
"""Answers that must be known before they are believed."""
WEIGHT = 0.125
"""Of the newest answer in the average."""
SPREAD = 4
"""How many times the usual distance from the average an answer may lie above it."""
MOST = 4096
"""Keys and models that are remembered."""

type EstimatorKey = tuple[str, str]
"""A key's id and a target's name."""


class OutputLengthEstimator:
    """Averages that move with the answers."""

    def __init__(self) -> None:
        self._known: OrderedDict[EstimatorKey, tuple[int, float, float]] = OrderedDict()

    def learn(self, whose: EstimatorKey, tokens: int) -> None:
        """Take in how long an answer was."""
        count, mean, spread = self._known.pop(whose, (0, float(tokens), 0.0))
        off = tokens - mean
        self._known[whose] = count + 1, mean + WEIGHT * off, spread + WEIGHT * (abs(off) - spread)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def upper_bound(self, whose: EstimatorKey) -> int | None:
        """Say how long an answer will hardly be; None where too few are known."""
        count, mean, spread = self._known.get(whose, (0, 0.0, 0.0))
        return int(mean + SPREAD * spread) + 1 if count >= MIN_SAMPLES else None
