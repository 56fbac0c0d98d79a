"""Single flight: of concurrent identical requests, the first leads and the others follow its answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from omniroute.cache.answer import CachedAnswer

type Kind = Literal["cache", "idempotency"]
type Source = Kind | Literal["similar"]


@dataclass(slots=True, eq=False)
class Flight:
    """A request with an answer that others may share. If it yields none, the next follower becomes the leader."""

    kind: Kind
    key: str
    meaning: str
    """Digest of the request; another request with the same idempotency key may differ in it."""
    leader: object
    waiting: dict[object, Callable[[], None]] = field(default_factory=dict)
    """Followers in order of arrival -> the callback that wakes each."""
    answer: CachedAnswer | None = None
    until: float = 0.0
    """End of the idempotency window for its answer, on the runtime's clock."""


@dataclass(slots=True)
class CacheContext:
    """The state of an exchange in the response cache and in single flight."""

    key: str = ""
    """Cache key of its answer; empty where that is not cached."""
    bucket: str = ""
    vector: bytes = field(default=b"", repr=False)
    """As in `CachedAnswer`; empty where semantic cache hits are not allowed."""
    status: Literal["", "HIT", "MISS", "BYPASS"] = ""
    leading: list[Flight] = field(default_factory=list)
    following: Flight | None = None
    answer: CachedAnswer | None = None
    """The answer of another exchange, which its client gets."""
    source: Source | None = None
