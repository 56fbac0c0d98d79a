"""Who waits for a limited account, in the order of coming.

A request waits for all the targets of its plan at once and goes to whichever is free first. No request overtakes
one that waits for the same account and could go itself; whoever leaves makes room at once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from omniroute.routing.limits import Limits, Wait

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

    def __init__(self, limits: Limits) -> None:
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
