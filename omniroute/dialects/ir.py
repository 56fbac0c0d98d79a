"""The one shape that every dialect is read into and written from.

Values only: no ids of ours, no clocks, no I/O. Two requests that mean the same are equal.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the upstream counted them; None where it said nothing.

    `input` includes what was read from or written to a prompt cache, `output` includes reasoning,
    whatever the dialect's own way of counting is.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that an upstream told us, or that we saw in what it said.

    `kind` is the upstream's own type word (`rate_limit_error`, `RESOURCE_EXHAUSTED`, …) or one of ours:
    `garbage` (cannot be read), `cut` (ended before its end), `empty` (ended without having said anything).
    """

    kind: str
    message: str
    code: str | None = None
    status: int | None = None
