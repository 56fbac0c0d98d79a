"""Admission of requests to rate-limited accounts: at once where there is capacity, else in queue order.

The clock and the timer (`alarm`) are arguments: nothing here sleeps or polls.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from omniroute.config.model import Limit
from omniroute.routing.rate_limits import MINUTE, InFlight, RateLimits, Wait
from omniroute.routing.target import Target

type Place = tuple[str, str]
"""An account id and a model."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A queued request."""

    places: tuple[Place, ...]
    wake: Callable[[], None] = field(repr=False)
    """Called once, when the request is admitted."""
    place: Place | None = None
    """Where it was admitted, and already counts towards the limits; None while it is queued."""
    at: float = 0.0
    """When it was admitted, on the clock of the limits."""


class Queue:
    """One FIFO queue per account. `limits` decides whether an account has capacity, this which ticket is next."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._lines: dict[str, dict[Ticket, None]] = {}

    def __len__(self) -> int:
        return len({ticket for line in self._lines.values() for ticket in line})

    def waiting(self, account: str) -> int:
        """Return the number of requests queued for an account."""
        return len(self._lines.get(account, ()))

    def accounts(self) -> list[str]:
        """Return the accounts that have queued requests."""
        return list(self._lines)

    def why_not(self, place: Place, now: float) -> Wait | None:
        """Return why a new request cannot be admitted at a place now; None when it can."""
        return self._limits.shut(*place, now) or self._limits.wait(place[0], now)

    def join(self, places: Sequence[Place], wake: Callable[[], None], size: int) -> Ticket | None:
        """Queue a request for some places; None when the queues of all of them hold `size` requests already."""
        ticket = Ticket(tuple(place for place in places if self.waiting(place[0]) < size), wake)
        for account, _ in ticket.places:
            self._lines.setdefault(account, {})[ticket] = None
        return ticket if ticket.places else None

    def leave(self, ticket: Ticket) -> None:
        """Remove a ticket from all queues; an admission it already has stays."""
        for account, _ in ticket.places:
            line = self._lines.get(account)
            if line is not None:
                line.pop(ticket, None)
                if not line:
                    del self._lines[account]

    def let_in(self, now: float, accounts: Sequence[str] | None = None) -> list[Ticket]:
        """Admit queued requests that have capacity, in order, at some or all accounts; the caller must wake them."""
        found = []
        for account in accounts if accounts is not None else self.accounts():
            while ticket := self._next(account, now):
                ticket.at = now
                self.leave(ticket)
                self._limits.begin(account, now)
                found.append(ticket)
        return found

    def _next(self, account: str, now: float) -> Ticket | None:
        """Find the first admissible ticket of an account, and set its place."""
        line = self._lines.get(account)
        if not line or self._limits.wait(account, now):
            return None
        for ticket in line:
            for place in ticket.places:
                if place[0] == account and not self._limits.shut(*place, now):
                    ticket.place = place
                    return ticket
        return None

    def due(self, now: float) -> float | None:
        """Return the seconds after which time alone may admit a request; None when only the end of another can."""
        found = []
        for account, line in self._lines.items():
            own = self._limits.wait(account, now)
            if own is not None and not own.seconds:
                continue
            found.append(max(own.seconds if own else 0.0, self._first_open(account, line, now)))
        return min(found, default=None)

    def _first_open(self, account: str, line: Iterable[Ticket], now: float) -> float:
        """Return the seconds until the provider allows a request of a queue. Mostly the first ticket answers this."""
        least = inf
        for ticket in line:
            for place in ticket.places:
                if place[0] == account:
                    shut = self._limits.shut(*place, now)
                    if shut is None:
                        return 0.0
                    least = min(least, shut.seconds)
        return least


SHORTEST = 0.001
"""Minimum seconds for the timer, as clocks round."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """The current use of a limited account, for display."""

    in_flight: int
    waiting: int
    minute: int
    """Requests started in the last 60 seconds, where a limit counts them."""


@dataclass(frozen=True, slots=True)
class AdmissionChanges:
    """Changes since the last call of `changes`; None as a value means removed."""

    in_use: Mapping[str, LimitUse | None]
    learned: Mapping[Place, float | None]
    """Seconds from now until a provider's rate limit resets."""
    begun: Sequence[tuple[str, float]] = ()
    """(account id, seconds since the start) of each counted request."""


class Admission:
    """Rate limits of all accounts, and the queue for them."""

    def __init__(self, loads: InFlight, clock: Callable[[], float]) -> None:
        self.limits = RateLimits(loads)
        self.queue = Queue(self.limits)
        self.alarm: Callable[[float], None] = lambda seconds: None
        """Called with the seconds after which to call `ring`; each call replaces the previous one."""
        self.changed: Callable[[], None] = lambda: None
        """Called when `changes` has something to return."""
        self._alarm_at = inf
        self._clock = clock
        self._changed: set[str] = set()
        self._learned: set[Place] = set()
        self._begun: Counter[tuple[str, float]] = Counter()

    def admit(self, targets: Sequence[Target]) -> tuple[Target, float] | None:
        """Admit a request at the first target with capacity; return that and the time, None if none has any."""
        now = self._clock()
        for target in targets:
            place = place_of(target)
            if self.queue.waiting(place[0]):
                self.let_in((place[0],))
            if self.queue.why_not(place, now) is None:
                self.limits.begin(place[0], now)
                self._count(place[0], now)
                self._note(place[0])
                return target, now
        return None

    def room_for(self, target: Target) -> bool:
        """Return whether a target can be tried now without delaying a queued request."""
        place = place_of(target)
        return not self.queue.waiting(place[0]) and self.queue.why_not(place, self._clock()) is None

    def waits(self, targets: Iterable[Target]) -> list[tuple[Target, Wait]]:
        """Return the targets that cannot be tried now, each with the reason."""
        now = self._clock()
        found = ((target, self.queue.why_not(place_of(target), now)) for target in targets)
        return [(target, wait) for target, wait in found if wait]

    def join(self, targets: Iterable[Target], wake: Callable[[], None], size: int) -> Ticket | None:
        """Queue a request for the first available of some targets; None when the queue of each of them is full."""
        ticket = self.queue.join([place_of(target) for target in targets], wake, size)
        if ticket:
            self._note(*(account for account, _ in ticket.places))
            self.let_in(())
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Remove a request from the queue, or release an admission that it has not used."""
        self._note(*(account for account, _ in ticket.places))
        self.queue.leave(ticket)
        if ticket.place:
            place, ticket.place = ticket.place, None
            self.give_back(place[0], ticket.at)

    def take(self, ticket: Ticket) -> tuple[Place, float] | None:
        """Take a ticket's admission: place and time. Where it has none, remove it from the queue and return None."""
        place, ticket.place = ticket.place, None
        if place is None:
            self.leave(ticket)
            return None
        return place, ticket.at

    def give_back(self, account: str, at: float) -> None:
        """Release an admission for a request that was never sent to the upstream."""
        self.limits.take_back(account, at)
        if self._begun[account, at] > 1:
            self._begun[account, at] -= 1
        else:
            del self._begun[account, at]
        self.limits.end(account)
        self.ended(account)

    def ended(self, account: str) -> None:
        """Admit queued requests after an exchange of the account has ended."""
        self._note(account)
        if self.queue.waiting(account):
            self.let_in((account,))

    def learn(self, account: str, model: str, seconds: float) -> None:
        """Record for how many seconds a provider allows no further request for a model."""
        self.limits.learn(account, model, self._clock() + seconds)
        self._learned.add((account, model))
        self.changed()

    def set(self, limits: Mapping[str, Limit]) -> None:
        """Apply other limits from now on."""
        if limits != self.limits.set:
            self._changed.update(limits.keys() | self.limits.set.keys())
            self.limits.set = limits
            self.let_in()

    def forget(self, accounts: Sequence[str] | None = None) -> None:
        """Clear the learned provider limits of some accounts; None clears all."""
        self._learned.update(place for place in self.limits.learned() if accounts is None or place[0] in accounts)
        self.limits.forget(None if accounts is None else {*accounts})
        self.let_in()

    def keep(self, accounts: Iterable[str]) -> None:
        """Drop the state of all accounts but these."""
        kept = {*accounts}
        self._learned.update(place for place in self.limits.learned() if place[0] not in kept)
        self.limits.keep(kept)

    def let_in(self, accounts: Sequence[str] | None = None) -> None:
        """Admit the queued requests that have capacity, at some or all accounts, and set the timer for the next one."""
        now = self._clock()
        for ticket in self.queue.let_in(now, accounts):
            if ticket.place:
                self._count(ticket.place[0], now)
            self._note(*(account for account, _ in ticket.places))
            ticket.wake()
        due = self.queue.due(now)
        if due is not None and now + due < self._alarm_at:
            self._alarm_at = now + max(due, SHORTEST)
            self.alarm(max(due, SHORTEST))

    def ring(self) -> None:
        """Handle the timer: admit the queued requests for which there is capacity now."""
        self._alarm_at = inf
        self.let_in()

    def _count(self, account: str, now: float) -> None:
        if self.limits.counts(account):
            self._begun[account, now] += 1  # several may be admitted at the same time
            while (oldest := next(iter(self._begun)))[1] + MINUTE <= now:  # nothing takes these at the moment
                del self._begun[oldest]

    def _note(self, *accounts: str) -> None:
        if limited := [account for account in accounts if account in self.limits.set]:
            self._changed.update(limited)
            self.changed()

    def changes(self) -> AdmissionChanges | None:
        """Return and clear the changes since the last call; None when there are none."""
        if not self._changed and not self._learned:
            return None
        now, shut = self._clock(), self.limits.learned()
        in_use = {account: self.in_use(account) if account in self.limits.set else None for account in self._changed}
        learned = {place: until - now if (until := shut.get(place, 0.0)) > now else None for place in self._learned}
        self._changed.clear()
        self._learned.clear()
        begun = tuple((account, now - at) for account, at in self._begun.elements())
        self._begun.clear()
        return AdmissionChanges(in_use, learned, begun)

    def in_use(self, account: str) -> LimitUse:
        in_flight, minute = self.limits.in_use(account, self._clock())
        return LimitUse(in_flight, self.queue.waiting(account), minute)


def place_of(target: Target) -> Place:
    return target.account.id, target.model
