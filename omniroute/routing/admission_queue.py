"""Lets requests in at limited accounts: at once where there is room, else when their turn comes.

Clock and alarm are arguments: nothing here waits, and nobody asks again and again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from omniroute.config.model import Limit
from omniroute.routing.rate_limits import MINUTE, InFlight, RateLimits, Wait
from omniroute.routing.target import Target

type Place = tuple[str, str]
"""An account id, and the model that it is to be asked for."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A request that waits."""

    places: tuple[Place, ...]
    wake: Callable[[], None] = field(repr=False)
    """Called once, when it has been let in."""
    place: Place | None = None
    """Where it has been let in, and counts already."""
    at: float = 0.0
    """When that was."""


class Queue:
    """The lines before all accounts. `limits` says who may go; this says whose turn it is."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._lines: dict[str, dict[Ticket, None]] = {}

    def __len__(self) -> int:
        return len({ticket for line in self._lines.values() for ticket in line})

    def waiting(self, account: str) -> int:
        """Count who waits for an account."""
        return len(self._lines.get(account, ()))

    def accounts(self) -> list[str]:
        """Name the accounts that somebody waits for."""
        return list(self._lines)

    def why_not(self, place: Place, now: float) -> Wait | None:
        """Say why a new request could not go there now; None when it could."""
        return self._limits.shut(*place, now) or self._limits.wait(place[0], now)

    def join(self, places: Sequence[Place], wake: Callable[[], None], size: int) -> Ticket | None:
        """Stand in line for some places; None when all their lines are as long as they may be."""
        ticket = Ticket(tuple(place for place in places if self.waiting(place[0]) < size), wake)
        for account, _ in ticket.places:
            self._lines.setdefault(account, {})[ticket] = None
        return ticket if ticket.places else None

    def leave(self, ticket: Ticket) -> None:
        """Step out of all lines; what it was let in to is not undone by this."""
        for account, _ in ticket.places:
            line = self._lines.get(account)
            if line is not None:
                line.pop(ticket, None)
                if not line:
                    del self._lines[account]

    def let_in(self, now: float, accounts: Sequence[str] | None = None) -> list[Ticket]:
        """Let in who can go, the first in line first, at some accounts or at all; they are yet to be woken."""
        found = []
        for account in accounts if accounts is not None else self.accounts():
            while ticket := self._next(account, now):
                ticket.at = now
                self.leave(ticket)
                self._limits.begin(account, now)
                found.append(ticket)
        return found

    def _next(self, account: str, now: float) -> Ticket | None:
        """Choose the first in line for an account who may go, and where."""
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
        """Say in how many seconds time alone could let somebody in; None when only an end of another could."""
        found = []
        for account, line in self._lines.items():
            own = self._limits.wait(account, now)
            if own is not None and not own.seconds:
                continue
            found.append(max(own.seconds if own else 0.0, self._first_open(account, line, now)))
        return min(found, default=None)

    def _first_open(self, account: str, line: Iterable[Ticket], now: float) -> float:
        """Say in how many seconds the provider lets somebody of a line be asked for: most lines need no long look."""
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
"""Seconds that an alarm is set for at the least: clocks round."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """What a limited account is doing, for people to read."""

    in_flight: int
    waiting: int
    minute: int
    """Requests that have begun in the last 60 seconds, where these are limited."""


@dataclass(frozen=True, slots=True)
class AdmissionChanges:
    """What has changed since it was last asked for; None is nothing any more."""

    in_use: Mapping[str, LimitUse | None]
    learned: Mapping[Place, float | None]
    """Seconds from now until when a provider allows no request."""
    begun: Sequence[tuple[str, float]] = ()
    """Accounts that were asked and whose requests are counted, and how many seconds ago."""


class Admission:
    """All limited accounts, and the queue before them."""

    def __init__(self, loads: InFlight, clock: Callable[[], float]) -> None:
        self.limits = RateLimits(loads)
        self.queue = Queue(self.limits)
        self.alarm: Callable[[float], None] = lambda seconds: None
        """Called with the seconds after which to call `ring`; each call replaces the last."""
        self.changed: Callable[[], None] = lambda: None
        """Called when `changes` has something to give."""
        self._alarm_at = inf
        self._clock = clock
        self._changed: set[str] = set()
        self._learned: set[Place] = set()
        self._begun: Counter[tuple[str, float]] = Counter()

    def admit(self, targets: Sequence[Target]) -> tuple[Target, float] | None:
        """Let a request in at the first target that can be asked now, and say when that was; None when none can."""
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
        """Say whether a target can be asked now without anybody else waiting any longer for it."""
        place = place_of(target)
        return not self.queue.waiting(place[0]) and self.queue.why_not(place, self._clock()) is None

    def waits(self, targets: Iterable[Target]) -> list[tuple[Target, Wait]]:
        """Say which targets cannot be asked now, and why."""
        now = self._clock()
        found = ((target, self.queue.why_not(place_of(target), now)) for target in targets)
        return [(target, wait) for target, wait in found if wait]

    def join(self, targets: Iterable[Target], wake: Callable[[], None], size: int) -> Ticket | None:
        """Let a request wait for the first of some targets; None when too many wait for each of them."""
        ticket = self.queue.join([place_of(target) for target in targets], wake, size)
        if ticket:
            self._note(*(account for account, _ in ticket.places))
            self.let_in(())
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Take a request out of the queue, or give back the place that it has been let in to and not used."""
        self._note(*(account for account, _ in ticket.places))
        self.queue.leave(ticket)
        if ticket.place:
            place, ticket.place = ticket.place, None
            self.give_back(place[0], ticket.at)

    def take(self, ticket: Ticket) -> tuple[Place, float] | None:
        """Take the place that a request has been let in to, and when; None, and no longer waiting, where it was not."""
        place, ticket.place = ticket.place, None
        if place is None:
            self.leave(ticket)
            return None
        return place, ticket.at

    def give_back(self, account: str, at: float) -> None:
        """End what was let in, and of which the upstream has heard nothing."""
        self.limits.take_back(account, at)
        if self._begun[account, at] > 1:
            self._begun[account, at] -= 1
        else:
            del self._begun[account, at]
        self.limits.end(account)
        self.ended(account)

    def ended(self, account: str) -> None:
        """Note that an account is busy with less than before."""
        self._note(account)
        if self.queue.waiting(account):
            self.let_in((account,))

    def learn(self, account: str, model: str, seconds: float) -> None:
        """Note for how long a provider allows no further request."""
        self.limits.learn(account, model, self._clock() + seconds)
        self._learned.add((account, model))
        self.changed()

    def set(self, limits: Mapping[str, Limit]) -> None:
        """Go by other limits from now on."""
        if limits != self.limits.set:
            self._changed.update(limits.keys() | self.limits.set.keys())
            self.limits.set = limits
            self.let_in()

    def forget(self, accounts: Sequence[str] | None = None) -> None:
        """Forget what was learned of some accounts; None forgets it all."""
        self._learned.update(place for place in self.limits.learned() if accounts is None or place[0] in accounts)
        self.limits.forget(None if accounts is None else {*accounts})
        self.let_in()

    def keep(self, accounts: Iterable[str]) -> None:
        """Forget the accounts that are no more."""
        kept = {*accounts}
        self._learned.update(place for place in self.limits.learned() if place[0] not in kept)
        self.limits.keep(kept)

    def let_in(self, accounts: Sequence[str] | None = None) -> None:
        """Let in whoever can go now, at some accounts or at all, and have the alarm ring for the next one."""
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
        """Look who can go now that time has passed."""
        self._alarm_at = inf
        self.let_in()

    def _count(self, account: str, now: float) -> None:
        if self.limits.counts(account):
            self._begun[account, now] += 1  # several are let in at the same moment
            while (oldest := next(iter(self._begun)))[1] + MINUTE <= now:  # nobody takes these at the moment
                del self._begun[oldest]

    def _note(self, *accounts: str) -> None:
        if limited := [account for account in accounts if account in self.limits.set]:
            self._changed.update(limited)
            self.changed()

    def changes(self) -> AdmissionChanges | None:
        """Give what has changed since the last call; None when nothing has."""
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
