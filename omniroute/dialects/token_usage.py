"""Counting: numbers of tokens as providers write them, and what later numbers mean for earlier ones."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from omniroute.dialects.ir import Usage

MOST = 10**9
"""Tokens of one kind that a request can have used: a larger number is an error of the upstream, or an attack."""
MOST_NAMES = 8
"""Doubted fields that are named."""
NAMES = tuple(field.name for field in fields(Usage) if field.name != "doubted")


def count(value: object) -> int | None:
    """Take a number of tokens; None for anything else than a whole number from 0 to `MOST`."""
    if isinstance(value, float) and 0 <= value <= MOST and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None


def details(value: object) -> Mapping[str, object]:
    """Take an object of numbers that may be missing; what is none holds no numbers."""
    return value if isinstance(value, dict) else {}


def doubted(*given: Mapping[str, object]) -> tuple[str, ...]:
    """Name the fields that should hold numbers of tokens and hold something else; null is no number, and no error."""
    names = [
        name
        for numbers in given
        for name, value in numbers.items()
        if value is not None and name.endswith(("tokens", "TokenCount")) and count(value) is None
    ]
    return tuple(name for name in names[:MOST_NAMES] if name.isidentifier() and name.isascii() and len(name) <= 64)


def total(*values: int | None) -> int | None:
    """Add what is known; None when nothing is, or when the sum is over `MOST`."""
    known = [value for value in values if value is not None]
    return _bounded(sum(known)) if known else None


def add_usage(one: Usage, other: Usage) -> Usage:
    """Add the numbers of two upstreams; what one of them does not say is not known of both."""
    return _added(one, other, lambda a, b: None if a is None or b is None else _bounded(a + b))


def has_counts(one: Usage, other: Usage) -> Usage:
    """Add what is known of the numbers of two upstreams, for a client that has to be told some."""
    return _added(one, other, total)


def _added(one: Usage, other: Usage, add: Callable[[int | None, int | None], int | None]) -> Usage:
    return Usage(
        input=add(one.input, other.input),
        output=add(one.output, other.output),
        cache_read=add(one.cache_read, other.cache_read),
        cache_write=add(one.cache_write, other.cache_write),
        reasoning=add(one.reasoning, other.reasoning),
        doubted=_joined(one, other),
    )


def _bounded(tokens: int) -> int | None:
    return tokens if tokens <= MOST else None


def _joined(one: Usage, other: Usage) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one.doubted, *other.doubted)))[:MOST_NAMES]


def merge(old: Usage, new: Usage) -> Usage:
    """Put later numbers over earlier ones; what the later ones do not say stays.

    A later `input` that comes without cache numbers may leave the cached tokens out, so it only raises an
    earlier one that had them.
    """
    changed = {name: value for name in NAMES if (value := getattr(new, name)) is not None}
    cached_before = total(old.cache_read, old.cache_write)
    cached_now = total(new.cache_read, new.cache_write)
    if new.input is not None and old.input is not None and cached_before and cached_now is None:
        changed["input"] = max(old.input, new.input)
    if new.doubted:
        return replace(old, **changed, doubted=_joined(old, new))
    return replace(old, **changed)
