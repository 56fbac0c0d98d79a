"""A request under way that others ask for too: who came first leads, the others wait."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from omniroute.cache.answer import CachedAnswer

type Kind = Literal["cache", "idempotency"]
type Source = Kind | Literal["similar"]


@dataclass(slots=True, eq=False)
class Flight:
    """A request that others may wait for. When it has led to no answer for them, the next of them leads."""

    kind: Kind
    key: str
    meaning: str
    """What is asked; another request of the same key may mean something else."""
    leader: object
    waiting: dict[object, Callable[[], None]] = field(default_factory=dict)
    """Who waits, in the order of coming -> what wakes them."""
    answer: CachedAnswer | None = None
    until: float = 0.0
    """Until when the answer is given again; on the runtime's clock."""


@dataclass(slots=True)
class CacheContext:
    """What an exchange has to do with answers that are given again."""

    key: str = ""
    """Of the answer in the cache; empty where it is not kept."""
    bucket: str = ""
    vector: bytes = field(default=b"", repr=False)
    """As in `Answer`; empty where its answer is for the very same request alone."""
    status: Literal["", "HIT", "MISS", "BYPASS"] = ""
    leading: list[Flight] = field(default_factory=list)
    following: Flight | None = None
    answer: CachedAnswer | None = None
    """The answer of another exchange that its client gets."""
    source: Source | None = None
