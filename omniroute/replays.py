"""Answers that are given again, and requests that wait for the answer of another.

A flight is a request under way that others ask for too: who came first leads, the others wait. When it has led to no
answer that the others can have, the next of them leads.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

import orjson

from omniroute.catalog.provider import DialectName
from omniroute.dialects.ir import Usage
from omniroute.routing.rules import Rules

type Kind = Literal["cache", "idempotency"]

ABOUT = ("at", "dialect", "status", "content_type", "route", "dropped")
LARGEST = 16 * 1024 * 1024
"""Bytes of one answer that is given again."""
BESIDE = 512
"""Bytes of all that an answer has beside its body."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client was told, so that it can be told again to the byte."""

    at: float
    """When it was asked for, as seconds of the epoch."""
    dialect: DialectName
    body: bytes = field(repr=False)
    status: int = 200
    content_type: str = "application/json"
    route: str = ""
    dropped: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    stands: bool = True
    """It may be given to who comes later, and not only to who waits for it now."""

    @property
    def size(self) -> int:
        """Bytes that it takes to keep it."""
        return len(self.body) + BESIDE


@dataclass(slots=True, eq=False)
class Flight:
    """A request that others may wait for."""

    kind: Kind
    key: str
    meaning: str
    """What is asked; another request of the same key may mean something else."""
    leader: object
    waiting: dict[object, Callable[[], None]] = field(default_factory=dict)
    """Who waits, in the order of coming -> what wakes them."""
    answer: Answer | None = None
    until: float = 0.0
    """Until when the answer is given again; on the runtime's clock."""


class Shelf[Key: Hashable, Kept]:
    """As many things as there is room for; what was not used for the longest goes first."""

    def __init__(self, size: Callable[[Kept], int]) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._size = size
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def get(self, key: Key) -> Kept | None:
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
        return kept

    def put(self, key: Key, kept: Kept, *, entries: int, most: int) -> list[Key]:
        """Keep a thing, and give the keys of what had to go for it, which may be its own."""
        self.drop(key)
        self._kept[key] = kept
        self.bytes += self._size(kept)
        return self.trim(entries, most)

    def trim(self, entries: int, most: int) -> list[Key]:
        gone = []
        while self._kept and (len(self._kept) > entries or self.bytes > most):
            key, kept = self._kept.popitem(last=False)
            self.bytes -= self._size(kept)
            gone.append(key)
        return gone

    def drop(self, key: Key) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self.bytes -= self._size(kept)

    def oldest(self) -> tuple[Key, Kept] | None:
        """Look at what would go first, which is no use of it."""
        return next(iter(self._kept.items()), None)

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0


class Replays:
    """What the gateway remembers of its answers. Nothing here waits, and nothing is read from the disk."""

    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock, self._wall = clock, wall
        self._answers: Shelf[str, Answer] = Shelf(lambda answer: answer.size)
        self._flights: dict[tuple[Kind, str], Flight] = {}
        self._ended: Shelf[str, Flight] = Shelf(lambda flight: flight.answer.size if flight.answer else 0)
        self.saved: Callable[[str, Answer], None] = lambda key, answer: None
        """Called with what is to be on the disk, too."""
        self.gone: Callable[[list[str]], None] = lambda keys: None
        """Called with what is to be taken from it."""

    # answers that stay

    def find(self, key: str, rules: Rules) -> Answer | None:
        """Find an answer that is young enough."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        if not 0 <= self._wall() - answer.at < rules.cache.ttl or answer.at <= rules.cache.cleared:
            self._answers.drop(key)
            self.gone([key])
            return None
        return answer

    def keep(self, key: str, answer: Answer, rules: Rules) -> None:
        """Keep an answer, here and on the disk."""
        cache = rules.cache
        if not cache.enabled or answer.at <= cache.cleared or not cache.ttl or answer.size > min(LARGEST, cache.bytes):
            return
        out = self._answers.put(key, answer, entries=cache.entries, most=cache.bytes)
        if key not in out:
            self.saved(key, answer)
        if out:
            self.gone(out)

    def load(self, found: Iterable[tuple[str, Answer]], rules: Rules) -> None:
        """Go on from what was saved, the oldest first; what is known already is newer."""
        cache, out = rules.cache, []
        for key, answer in found:
            if key not in self._answers and answer.at > cache.cleared:
                out += self._answers.put(key, answer, entries=cache.entries, most=cache.bytes)
        if out:
            self.gone(out)

    def follow(self, rules: Rules, before: Rules) -> None:
        """Go by new settings."""
        cache = rules.cache
        if cache.cleared != before.cache.cleared:
            self._answers.clear()
        elif out := self._answers.trim(cache.entries, cache.bytes):
            self.gone(out)

    # requests under way

    def flight(self, kind: Kind, key: str) -> Flight | None:
        """Find a flight that is under way, or that has ended with an answer a moment ago."""
        if flight := self._flights.get((kind, key)):
            return flight
        while (oldest := self._ended.oldest()) and oldest[1].until <= self._clock():
            self._ended.drop(oldest[0])
        flight = self._ended.get(key) if kind == "idempotency" else None
        return flight if flight and flight.until > self._clock() else None

    def lead(self, kind: Kind, key: str, meaning: str, leader: object) -> Flight:
        """Begin a flight."""
        flight = self._flights[kind, key] = Flight(kind, key, meaning, leader)
        return flight

    def end(self, flight: Flight, answer: Answer | None, rules: Rules) -> None:
        """Note what has come of a flight: an answer for all who wait, or the next of them has to lead."""
        if answer is None:
            if not flight.waiting:
                del self._flights[flight.kind, flight.key]
                return
            flight.leader = next(iter(flight.waiting))
            flight.waiting.pop(flight.leader)()
            return
        del self._flights[flight.kind, flight.key]
        flight.answer, flight.leader = answer, None
        window = rules.idempotency
        if flight.kind == "idempotency" and answer.stands and window.window and answer.size <= window.bytes:
            flight.until = self._clock() + window.window
            self._ended.put(flight.key, flight, entries=window.entries, most=window.bytes)
        waiting, flight.waiting = flight.waiting, {}
        for wake in waiting.values():
            wake()


@dataclass(slots=True)
class Part:
    """What an exchange has to do with answers that are given again."""

    key: str = ""
    """Of the answer in the cache; empty where it is not kept."""
    said: Literal["", "HIT", "MISS", "BYPASS"] = ""
    leads: list[Flight] = field(default_factory=list)
    joined: Flight | None = None
    answer: Answer | None = None
    """The answer of another exchange that its client gets."""
    source: Kind | None = None


def pack(answer: Answer) -> bytes:
    """Make one run of bytes of it."""
    about = {name: getattr(answer, name) for name in ABOUT} | {"usage": asdict(answer.usage)}
    return orjson.dumps(about) + b"\n" + answer.body


def unpack(content: bytes) -> Answer:
    """Undo `pack`; ValueError or TypeError for what another version has made."""
    head, _, body = content.partition(b"\n")
    about = orjson.loads(head)
    usage, dropped = Usage(**about.pop("usage")), tuple(about.pop("dropped"))
    return Answer(**about, body=body, usage=usage, dropped=dropped)
