"""As many things as there is room for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable


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
