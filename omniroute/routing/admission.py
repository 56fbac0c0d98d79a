"""Lets requests in at limited accounts: at once where there is room, else when their turn comes.

Clock and alarm are arguments: nothing here waits, and nobody asks again and again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from omniroute.routing.limits import MINUTE, Limit, Limits, Wait
from omniroute.routing.loads import Loads
from omniroute.routing.queue import Place, Queue, Ticket
from omniroute.routing.target import Target

SHORTEST = 0.001
"""Seconds that an alarm is set for at the least: clocks round."""


@dataclass(frozen=True, slots=True)
class InUse:
    """What a limited account is doing, for people to read."""

    in_flight: int
    waiting: int
    minute: int
    """Requests that have begun in the last 60 seconds, where these are limited."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since it was last asked for; None is nothing any more."""

    in_use: Mapping[str, InUse | None]
    learned: Mapping[Place, float | None]
    """Seconds from now until when a provider allows no request."""
    begun: Sequence[tuple[str, float]] = ()
    """Accounts that were asked and whose requests are counted, and how many seconds ago."""


class Admission:
    """All limited accounts, and the queue before them."""

    def __init__(self, loads: Loads, clock: Callable[[], float]) -> None:
        self.limits = Limits(loads)
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

    def changes(self) -> Changes | None:
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
        return Changes(in_use, learned, begun)

    def in_use(self, account: str) -> InUse:
        in_flight, minute = self.limits.in_use(account, self._clock())
        return InUse(in_flight, self.queue.waiting(account), minute)


def place_of(target: Target) -> Place:
    return target.account.id, target.model
