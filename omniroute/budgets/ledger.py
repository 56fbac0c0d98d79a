"""The ledger of budgets: what keys have spent, and what is reserved for requests in flight.

Amounts are integers (see `PARTS`), so that sums are exact regardless of the order in which requests end.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from omniroute.budgets.periods import LOCAL, PERIODS, Period, span

PARTS = 10**12
"""Ledger units per USD."""
WARN = 0.8
NO_KEY = ""
"""Key id under which requests without a key are counted."""


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """Settings of all budgets."""

    zone: str = LOCAL
    """The time zone of calendar days."""
    unknown: str = "allow"
    """`allow` or `refuse`: whether requests may go to a model of unknown price."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The spending limit of a key for one period."""

    key: str
    period: Period
    limit: float
    """Limit in USD."""
    warn: float = WARN
    """Fraction of the limit from which warnings are given."""


type Budgets = Mapping[str, tuple[Budget, ...]]
"""Key id -> its budgets, the shortest period first."""
type Sums = Mapping[tuple[str, Period], float]
"""(key id, period) -> USD spent in the current period, from the history."""


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """The state of a budget at a moment, in USD."""

    budget: Budget
    spent: float
    reserved: float
    """Reserved for requests in flight."""
    resets_at: float
    """End of the current period, in seconds of the epoch."""

    @property
    def left(self) -> float:
        return self.budget.limit - self.spent - self.reserved

    @property
    def at_warning(self) -> bool:
        return self.spent >= self.budget.limit * self.budget.warn


@dataclass(slots=True, eq=False)
class Reservation:
    """The budget reservation of one request."""

    key: str
    at: float
    """Start of its request; it counts in the periods that contain this time."""
    parts: int
    tokens_in: int = 0
    tokens_out: int = 0
    """The estimated tokens that the amount was computed from."""


@dataclass(slots=True)
class _Sum:
    spent: int = 0
    held: int = 0


@dataclass(slots=True)
class Ledger:
    """Spent and reserved amounts of every key in the current periods.

    Only the current and the previous periods are kept. If the clock is set back by less than a period, the amounts of
    that time are still there, and the history has all of them.
    """

    zone: tzinfo | None = None
    _sums: dict[tuple[str, Period, float], _Sum] = field(default_factory=dict)
    _holds: set[Reservation] = field(default_factory=set)
    _spans: dict[Period, tuple[float, float]] = field(default_factory=dict)
    _booked: list[tuple[str, float, int]] | None = None
    """What was spent while the history is being read; None when it is not."""

    def starts(self, now: float) -> dict[Period, tuple[float, float]]:
        """Return start and end of the periods that contain a moment."""
        return {period: self._span(period, now) for period in PERIODS}

    def status(self, budgets: Iterable[Budget], now: float) -> list[BudgetStatus]:
        """Return the state of each budget."""
        found = []
        for budget in budgets:
            start, end = self._span(budget.period, now)
            total = self._sums.get((budget.key, budget.period, start)) or _Sum()
            found.append(BudgetStatus(budget, total.spent / PARTS, total.held / PARTS, end))
        return found

    def reserved(self, key: str, period: Period, start: float) -> float:
        """Return the USD reserved in the period that starts at `start`. Read-only, so safe from any thread."""
        total = self._sums.get((key, period, start))
        return total.held / PARTS if total else 0.0

    def refusal(self, budgets: Iterable[Budget], cost: float, now: float) -> BudgetStatus | None:
        """Return the budget that a request of this cost would exceed, the last to reset of several; None if it fits."""
        over = [stands for stands in self.status(budgets, now) if _over(stands, cost)]
        return max(over, key=lambda stands: stands.resets_at, default=None)

    def reserve(self, key: str, cost: float, at: float, tokens_in: int = 0, tokens_out: int = 0) -> Reservation:
        """Reserve the expected cost of a request, in USD."""
        made = Reservation(key, at, _parts(cost), tokens_in, tokens_out)
        self._holds.add(made)
        for total in self._at(key, at):
            total.held += made.parts
        return made

    def extend(self, hold: Reservation, cost: float) -> None:
        """Add to a reservation."""
        more = _parts(cost)
        hold.parts += more
        for total in self._at(hold.key, hold.at):
            total.held += more

    def settle(self, hold: Reservation, cost: float) -> bool:
        """Replace a reservation by the actual cost; return False, and do nothing, if it was settled before."""
        if not self.release(hold):
            return False
        self.spend(hold.key, cost, hold.at)
        return True

    def release(self, hold: Reservation) -> bool:
        """Cancel a reservation; return False if that was done before."""
        if hold not in self._holds:
            return False
        self._holds.discard(hold)
        for total in self._at(hold.key, hold.at):
            total.held -= hold.parts
        return True

    def spend(self, key: str, cost: float, at: float) -> None:
        """Add the cost of a request that began at `at`."""
        parts = _parts(cost)
        for total in self._at(key, at):
            total.spent += parts
        if self._booked is not None:
            self._booked.append((key, at, parts))

    def begin_reading(self) -> None:
        """Start to record spending, as the history being read contains only what was spent before."""
        self._booked = []

    def read(self, sums: Sums, zone: tzinfo | None, now: float) -> None:
        """Replace all sums by those of the history, in days of `zone`, plus what was spent and reserved since."""
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
        """Return the period that contains a moment, cached for the newest period."""
        known = self._spans.get(period)
        if known is None or not known[0] <= at < known[1]:
            new = span(period, at, self.zone)
            if known is None or new[0] > known[0]:
                self._spans[period] = new
                self._forget(period, known[0] if known else new[0])
            return new
        return known

    def _forget(self, period: Period, before: float) -> None:
        """Drop sums of periods before the previous one, except those with reservations."""
        gone = [at for at, total in self._sums.items() if at[1] == period and at[2] < before and not total.held]
        for at in gone:
            del self._sums[at]


def _over(stands: BudgetStatus, cost: float) -> bool:
    """Return whether a cost exceeds a budget; once the limit is spent, even a cost of 0 does."""
    limit, spent = _parts(stands.budget.limit), _parts(stands.spent)
    return spent >= limit or spent + _parts(stands.reserved) + _parts(cost) > limit


def _parts(cost: float) -> int:
    return round(cost * PARTS)


MIN_SAMPLES = 5
"""Minimum number of answers for an estimate."""
WEIGHT = 0.125
"""Weight of the newest answer in the moving average."""
SPREAD = 4
"""Number of mean deviations above the average for the upper bound."""
MOST = 4096
"""Maximum number of keys and models to remember."""

type EstimatorKey = tuple[str, str]
"""A gateway key's id and a target's name."""


class OutputLengthEstimator:
    """Estimates output tokens by exponential moving averages per key and target."""

    def __init__(self) -> None:
        self._known: OrderedDict[EstimatorKey, tuple[int, float, float]] = OrderedDict()

    def learn(self, whose: EstimatorKey, tokens: int) -> None:
        """Add the output tokens of an answer."""
        count, mean, spread = self._known.pop(whose, (0, float(tokens), 0.0))
        off = tokens - mean
        self._known[whose] = count + 1, mean + WEIGHT * off, spread + WEIGHT * (abs(off) - spread)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def upper_bound(self, whose: EstimatorKey) -> int | None:
        """Return a bound that answers rarely exceed, in tokens; None with too few samples."""
        count, mean, spread = self._known.get(whose, (0, 0.0, 0.0))
        return int(mean + SPREAD * spread) + 1 if count >= MIN_SAMPLES else None
