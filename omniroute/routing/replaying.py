"""What is answered without asking anybody again: how long answers are kept, and how many."""

from dataclasses import dataclass

MAX_ENTRIES = 100_000
MAX_BYTES = 4 * 1024**3
MAX_TTL = 30 * 86400.0
MAX_WINDOW = 3600.0
MAX_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class CacheRules:
    """Answers to whole requests at temperature 0, for whoever asks the same again."""

    enabled: bool = True
    ttl: float = 3600.0
    """Seconds that an answer is given again."""
    entries: int = 500
    bytes: int = 64 * 1024 * 1024
    """Of all answers together."""
    shared: bool = False
    """An answer is given to every key, and not only to the one that asked first."""
    similar: str = ""
    """The model that embeds what users say, so that who says nearly the same gets the same answer; empty is off."""
    similarity: float = 0.97
    """The cosine from which on that is nearly the same."""
    similar_timeout: float = 2.0
    """Seconds that a request waits for that model."""
    cleared: float = 0.0
    """When somebody last wanted all of them to be forgotten, as seconds of the epoch."""


@dataclass(frozen=True, slots=True)
class IdempotencyRules:
    """Answers to requests with a name of their own, for who sends one of them twice."""

    window: float = 5.0
    """Seconds after an answer in which it is given again; 0 lets no request be the same as another."""
    entries: int = 1000
    bytes: int = 64 * 1024 * 1024
    """Of all answers together."""
