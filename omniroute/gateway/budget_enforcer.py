"""Budget enforcement: reserve the expected cost before the first attempt, settle it when the exchange ends."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import UTC, datetime, tzinfo

from omniroute.budgets.ledger import NO_KEY, Budget, BudgetStatus, Ledger, OutputLengthEstimator, Reservation
from omniroute.budgets.periods import PERIODS, Period, span, zone_of
from omniroute.catalog.pricing import expected, rates
from omniroute.config.model import Config
from omniroute.dialects.ir import Usage
from omniroute.dialects.requirements import USUAL_OUTPUT, Needs
from omniroute.errors import Forbidden, RateLimited
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.usage_recorder import WriteBehind
from omniroute.routing.failures import WAIT
from omniroute.routing.model_index import without_suffix
from omniroute.routing.plan import Target
from omniroute.store.config import budgets
from omniroute.store.config.budgets import SpendRecord
from omniroute.store.db.files import StoreError
from omniroute.tasks import Tasks

log = logging.getLogger(__name__)

SPENT = "insufficient_quota"
BYTES = 4
"""Bytes per output token of a reply that broke off. An upper bound, as the bytes include the JSON around the text."""


class BudgetEnforcer:
    """Reserve and settle the cost of exchanges in the ledger. The wall clock is an argument."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self.ledger = Ledger()
        self.lengths = OutputLengthEstimator()
        self._wall = wall
        self._warned: dict[tuple[str, str], float] = {}
        """(key id, period) -> the end of the period in which its warning was last logged."""

    def budgets(self, exchange: Exchange, config: Config) -> tuple[Budget, ...]:
        """Return the budgets that apply to a request."""
        return config.budgets.get(_owner(exchange), ())

    def reserve(self, exchange: Exchange, needs: Needs, config: Config) -> None:
        """Reserve the cost of the most expensive remaining target. Raises RateLimited when a budget has no room for it.

        Where models of unknown price are refused, they are removed from the remaining targets; Forbidden when none is
        left.
        """
        budgets = self.budgets(exchange, config)
        if not budgets or exchange.reservation is not None or exchange.metered:
            return
        costs = self._expected(exchange, needs, config)
        if config.rules.budget.unknown == "refuse":
            exchange.remaining = [target for target in exchange.remaining if costs[target.name][0] is not None]
            if not exchange.remaining:
                raise _no_price(costs)
        dearest, tokens_out = max(
            ((costs[target.name][0] or 0.0, costs[target.name][1]) for target in exchange.remaining), default=(0.0, 0)
        )
        now = self._wall()
        if stands := self.ledger.refusal(budgets, dearest, now):
            raise _refusal(stands, dearest, now)
        exchange.budget_warning = _warning(self.ledger.status(budgets, now))
        exchange.reservation = self.ledger.reserve(_owner(exchange), dearest, exchange.at, needs.input, tokens_out)

    def may_embed(self, exchange: Exchange, target: Target, text: str, config: Config) -> bool:
        """Return whether a key's budgets allow the cost of embedding a text. Needs the price library."""
        now = self._wall()
        at, model = datetime.fromtimestamp(now, UTC), without_suffix(target.model)
        cost = expected(target.provider, model, len(text) // BYTES + 1, 0, at, config.prices)
        if cost is None and config.rules.budget.unknown == "refuse":
            return False
        return self.ledger.refusal(self.budgets(exchange, config), cost or 0.0, now) is None

    def _expected(self, exchange: Exchange, needs: Needs, config: Config) -> dict[str, tuple[float | None, int]]:
        """Return the expected cost in USD (None if unknown) and output tokens of each remaining target, by name."""
        at, key = datetime.fromtimestamp(self._wall(), UTC), _owner(exchange)
        found: dict[str, tuple[float | None, int]] = {}
        for target in exchange.remaining:
            if target.name in found:
                continue
            usual = self.lengths.upper_bound((key, target.name))
            said = (needs.limit or USUAL_OUTPUT) * needs.answers
            tokens_out = said if usual is None else usual if needs.limit is None else min(usual, said)
            model = without_suffix(target.model)
            cost = expected(target.provider, model, needs.input, tokens_out, at, config.prices)
            found[target.name] = cost, tokens_out
        return found

    def extend_reservation(self, exchange: Exchange, target: Target, config: Config) -> None:
        """Add the cost of a hedged attempt to the reservation. Raises RateLimited when a budget has no room."""
        if (hold := exchange.reservation) is None:
            return
        now = self._wall()
        at, model = datetime.fromtimestamp(now, UTC), without_suffix(target.model)
        cost = expected(target.provider, model, hold.tokens_in, hold.tokens_out, at, config.prices) or 0.0
        if stands := self.ledger.refusal(self.budgets(exchange, config), cost, now):
            raise _refusal(stands, cost, now)
        self.ledger.extend(hold, cost)

    def settle(self, exchange: Exchange, config: Config) -> float:
        """Record the cost of an exchange in the ledger; return the estimated part in USD. Needs the price library."""
        key, hold, known = _owner(exchange), exchange.reservation, exchange.cost or 0.0
        lost = estimate_lost(exchange)
        exchange.reservation = None
        if exchange.cost is not None and _ended_well(exchange) and exchange.served and exchange.usage.output:
            self.lengths.learn((key, exchange.served.target.name), exchange.usage.output)
        if hold is None:
            guess = lost
            if known + guess:
                self.ledger.spend(key, known + guess, exchange.at)
        else:
            guess = max(0.0, _guess(exchange, hold) - known) + lost
            self.ledger.settle(hold, known + guess)
        self._warn(exchange, config)
        return guess

    def _warn(self, exchange: Exchange, config: Config) -> None:
        """Log once per period that a budget has passed its warning threshold."""
        for stands in self.ledger.status(self.budgets(exchange, config), self._wall()):
            place = (stands.budget.key, stands.budget.period)
            if stands.at_warning and self._warned.get(place) != stands.resets_at:
                self._warned[place] = stands.resets_at
                who = f"the key {exchange.key.name!r}" if exchange.key else "requests without a key"
                log.warning("%s: %s", who, say(stands))

    def keep(self, config: Config, before: Config) -> None:
        """Forget which warnings were logged for budgets that have changed, so that they are logged again."""
        for key in [place for place in self._warned if config.budgets.get(place[0]) != before.budgets.get(place[0])]:
            del self._warned[key]


def say(stands: BudgetStatus) -> str:
    """Describe the state of a budget in words."""
    budget = stands.budget
    part = stands.spent / budget.limit
    return (
        f"{part:.0%} of the {budget.period} budget of {dollars(budget.limit)} is spent, it begins anew {when(stands)}"
    )


def dollars(usd: float) -> str:
    """Format an amount in USD with two to six decimals, as many as it needs."""
    return f"${usd:,.2f}" if round(usd, 2) == round(usd, 6) else f"${usd:,.6f}".rstrip("0")


def when(stands: BudgetStatus) -> str:
    """Format the time at which a budget resets, in UTC."""
    return datetime.fromtimestamp(stands.resets_at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _warning(standing: Iterable[BudgetStatus]) -> str | None:
    said = [say(stands) for stands in standing if stands.at_warning]
    return "; ".join(said) or None


def _refusal(stands: BudgetStatus, cost: float, now: float) -> RateLimited:
    budget, resets = stands.budget, max(1.0, stands.resets_at - now)
    whose = "of this key" if budget.key else "of requests without a key"
    held = f", {dollars(stands.reserved)} is set aside for requests that are running" if stands.reserved else ""
    if stands.spent >= budget.limit:
        said = f"the {budget.period} budget of {dollars(budget.limit)} {whose} is spent"
    else:
        said = (
            f"this request may cost {dollars(round(cost, 6))}, and of the {budget.period} budget of "
            f"{dollars(budget.limit)} {whose} {dollars(round(stands.spent, 6))} is spent{held}"
        )
        if stands.spent + cost <= budget.limit:  # it would fit if no other request were in flight
            return RateLimited(f"{said}: ask again when those are done", code=SPENT, retry_after=WAIT)
    if stands.spent < budget.limit < cost:
        said += "; ask for a shorter answer or set a higher budget"
    said += f"; it begins anew {when(stands)} (omniroute-ctl budget show)"
    return RateLimited(said, code=SPENT, retry_after=resets, final=True)


def _no_price(costs: Iterable[str]) -> Forbidden:
    names = ", ".join(sorted(costs))
    said = f"this key has a budget, and the price of {names} is unknown: set it with `omniroute-ctl price set`"
    return Forbidden(said, param="model", code="price_unknown")


def _owner(exchange: Exchange) -> str:
    return exchange.key.id if exchange.key else NO_KEY


def _ended_well(exchange: Exchange) -> bool:
    served = exchange.served
    return served is not None and served.attempt.failure is None and _is_whole(served)


def _is_whole(asked: AttemptRecord) -> bool:
    return asked.attempt.stream is None or asked.attempt.stream.done


def _guess(exchange: Exchange, hold: Reservation) -> float:
    """Estimate the cost of an exchange without complete usage from its upstream; 0 where nothing is known."""
    answering = exchange.answering_attempt
    if len(answering) > 1:
        counted = [(asked, asked.attempt.stream.own if asked.attempt.stream else asked.usage) for asked in answering]
        return sum(
            _part(exchange, asked, usage, hold) or _cost(exchange, asked.target, usage) for asked, usage in counted
        )
    asked = exchange.served
    if asked is None:
        return sum(_read(exchange, asked, hold) for asked in exchange.attempts_made if _left(asked))
    return _part(exchange, asked, exchange.usage, hold)


def _part(exchange: Exchange, asked: AttemptRecord, usage: Usage, hold: Reservation) -> float:
    """Estimate the cost of one attempt from its reported usage and received bytes; 0 where the usage is complete."""
    told = usage.input is not None and usage.output is not None
    if told and (
        _is_whole(asked) or asked.target.dialect == "gemini"
    ):  # Gemini reports usage cumulatively during the stream
        return 0.0
    stream = asked.attempt.stream
    heard = (stream.fed if stream else len(asked.attempt.raw)) // BYTES
    output = max(usage.output or 0, min(heard, max(hold.tokens_out, 1)))
    given = hold.tokens_in if usage.input is None else usage.input
    read, written = usage.cache_read, usage.cache_write
    return _cost(exchange, asked.target, Usage(given, output, read, written, usage.reasoning))


def _left(asked: AttemptRecord) -> bool:
    """Return whether the client disconnected after the upstream had received the request."""
    failure = asked.attempt.failure
    return asked.attempt.sent > 0 and (failure is None or failure.kind == "client_gone")


def estimate_lost(exchange: Exchange) -> float:
    """Estimate the cost of each hedged attempt that was cancelled because another was faster, and return the sum.

    Its upstream has processed the input. How much output it had generated is not known, so only reported output tokens
    count. Needs the price library.
    """
    for asked in exchange.attempts_made:
        failure = asked.attempt.failure
        if asked.estimate is None and asked.attempt.sent and failure and failure.kind == "hedged":
            asked.estimate = _read(exchange, asked, exchange.reservation)
    return sum(asked.estimate for asked in exchange.attempts_made if asked.estimate)


def _read(exchange: Exchange, asked: AttemptRecord, hold: Reservation | None) -> float:
    """Return the input cost of a request that was sent and not answered; 0 where its tokens were never counted."""
    counts = (asked.usage.input, hold.tokens_in if hold else None, exchange.usage.input)
    given = next((count for count in counts if count is not None), 0)
    return _cost(exchange, asked.target, Usage(given, asked.usage.output or 0))


def _cost(exchange: Exchange, target: Target, usage: Usage) -> float:
    at = datetime.fromtimestamp(exchange.at, UTC)
    return rates(target.provider, target.model, at, exchange.config.prices).cost(usage) or 0.0


PAUSE = 1.0
"""Seconds to wait after a failed read."""


class SpendLoader:
    """Load past spending into the ledger. What is spent during the read is added to the result."""

    def __init__(self, ledger: Ledger, pending: WriteBehind, tasks: Tasks, wall: Callable[[], float]) -> None:
        self.known = asyncio.Event()
        """Set when past spending is loaded; requests that come under a budget wait for it."""
        self._ledger, self._pending, self._tasks, self._wall = ledger, pending, tasks, wall
        self._readings = 0

    def read(self, zone_name: str) -> None:
        """Start a read with the calendar of a time zone. Of several overlapping reads, the last one counts."""
        zone, now = zone_of(zone_name), self._wall()
        spans = {period: span(period, now, zone) for period in PERIODS}
        job = self._pending.read(lambda store: budgets.spent(store, spans))
        self._ledger.begin_reading()
        self._readings += 1
        self._tasks.start(self._take(self._readings, job, zone_name, zone, now), "spent")

    async def _take(
        self,
        reading: int,
        job: "Future[dict[tuple[str, Period], SpendRecord]]",
        zone_name: str,
        zone: tzinfo | None,
        now: float,
    ) -> None:
        try:
            found = await asyncio.wrap_future(job)
        except StoreError as error:
            log.error("what keys have spent could not be read, and is read again: %s", error)
            await asyncio.sleep(PAUSE)
            if reading == self._readings:
                self.read(zone_name)
            return
        if reading == self._readings:
            self._ledger.read({place: one.usd for place, one in found.items()}, zone, now)
            self.known.set()
