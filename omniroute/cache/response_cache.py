"""The response cache in memory, and single flight for concurrent identical requests."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable

from omniroute.cache.answer import MAX_ANSWER, CachedAnswer
from omniroute.cache.single_flight import Flight, Kind
from omniroute.config.settings import Settings


class BoundedLRU[Key: Hashable, Kept]:
    """An LRU cache bounded by number of entries and by bytes."""

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
        """Store an entry; return the keys evicted for it, which may include its own."""
        self.remove(key)
        self._kept[key] = kept
        self.bytes += self._size(kept)
        return self.evict(entries, most)

    def evict(self, entries: int, most: int) -> list[Key]:
        gone = []
        while self._kept and (len(self._kept) > entries or self.bytes > most):
            key, kept = self._kept.popitem(last=False)
            self.bytes -= self._size(kept)
            gone.append(key)
        return gone

    def remove(self, key: Key) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self.bytes -= self._size(kept)

    def least_used(self) -> tuple[Key, Kept] | None:
        """Return the entry to be evicted next, without counting this as a use."""
        return next(iter(self._kept.items()), None)

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0


class Buckets:
    """Index of the answers that allow semantic cache hits, by bucket; other answers are not in it."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, CachedAnswer]] = {}
        self._of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._of)

    def put(self, key: str, answer: CachedAnswer) -> None:
        self.drop((key,))
        if answer.bucket:
            self._kept.setdefault(answer.bucket, {})[key] = answer
            self._of[key] = answer.bucket

    def drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            if (bucket := self._of.pop(key, None)) is not None:
                del self._kept[bucket][key]
                if not self._kept[bucket]:
                    del self._kept[bucket]

    def clear(self) -> None:
        self._kept.clear()
        self._of.clear()

    def of(self, bucket: str) -> Iterable[tuple[str, CachedAnswer]]:
        """Return the keys and answers of a bucket."""
        return self._kept.get(bucket, {}).items()


class ResponseCache:
    """Cached answers and flights. Nothing here blocks or does I/O."""

    def __init__(self, *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock, self._wall = clock, wall
        self._answers: BoundedLRU[str, CachedAnswer] = BoundedLRU(lambda answer: answer.size)
        self._alike = Buckets()
        self._flights: dict[tuple[Kind, str], Flight] = {}
        self._ended: BoundedLRU[str, Flight] = BoundedLRU(lambda flight: flight.answer.size if flight.answer else 0)
        self.saved: Callable[[str, CachedAnswer], None] = lambda key, answer: None
        """Called with each answer to save on the disk."""
        self.gone: Callable[[list[str]], None] = lambda keys: None
        """Called with the keys to delete from the disk."""

    # cached answers

    def find(self, key: str, rules: Settings) -> CachedAnswer | None:
        """Return the cached answer of a key, unless it has expired."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        if not self._stands(answer, rules):
            self._answers.remove(key)
            self._out([key])
            return None
        return answer

    def similar(self, bucket: str, rules: Settings) -> list[tuple[str, bytes]]:
        """Return key and vector of the answers to requests that differ in the last user message only."""
        return [(key, answer.vector) for key, answer in self._alike.of(bucket) if self._stands(answer, rules)]

    def _stands(self, answer: CachedAnswer, rules: Settings) -> bool:
        return 0 <= self._wall() - answer.at < rules.cache.ttl and answer.at > rules.cache.cleared

    def keep(self, key: str, answer: CachedAnswer, rules: Settings) -> None:
        """Cache an answer in memory and on the disk, if the settings allow."""
        cache = rules.cache
        if (
            not cache.enabled
            or answer.at <= cache.cleared
            or not cache.ttl
            or answer.size > min(MAX_ANSWER, cache.bytes)
        ):
            return
        out = self._answers.put(key, answer, entries=cache.entries, most=cache.bytes)
        self._alike.put(key, answer)
        if key not in out:
            self.saved(key, answer)
        self._out(out)

    def load(self, found: Iterable[tuple[str, CachedAnswer]], rules: Settings) -> None:
        """Add saved answers, oldest first; existing entries are newer and stay."""
        cache, out = rules.cache, []
        for key, answer in found:
            if key not in self._answers and answer.at > cache.cleared:
                out += self._answers.put(key, answer, entries=cache.entries, most=cache.bytes)
                self._alike.put(key, answer)
        self._out(out)

    def follow(self, rules: Settings, before: Settings) -> None:
        """Apply new settings."""
        cache = rules.cache
        if cache.cleared != before.cache.cleared:
            self._answers.clear()
            self._alike.clear()
        else:
            self._out(self._answers.evict(cache.entries, cache.bytes))

    def _out(self, keys: list[str]) -> None:
        if keys:
            self._alike.drop(keys)
            self.gone(keys)

    # requests in flight

    def flight(self, kind: Kind, key: str) -> Flight | None:
        """Return the flight of a key in progress, or that ended with an answer within the idempotency window."""
        if flight := self._flights.get((kind, key)):
            return flight
        while (oldest := self._ended.least_used()) and oldest[1].until <= self._clock():
            self._ended.remove(oldest[0])
        flight = self._ended.get(key) if kind == "idempotency" else None
        return flight if flight and flight.until > self._clock() else None

    def lead(self, kind: Kind, key: str, meaning: str, leader: object) -> Flight:
        """Start a flight."""
        flight = self._flights[kind, key] = Flight(kind, key, meaning, leader)
        return flight

    def end(self, flight: Flight, answer: CachedAnswer | None, rules: Settings) -> None:
        """End a flight: share its answer with all followers; without one, make the next follower the leader."""
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
