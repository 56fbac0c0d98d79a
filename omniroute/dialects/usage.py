"""Counting: numbers of tokens as providers write them, and what later numbers mean for earlier ones."""

from dataclasses import fields, replace

from omniroute.dialects.ir import Usage

NAMES = tuple(field.name for field in fields(Usage))


def count(value: object) -> int | None:
    """Take a number of tokens; None for what is none (null, text, a negative number)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def total(*values: int | None) -> int | None:
    """Add what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def both(one: Usage, other: Usage) -> Usage:
    """Add the numbers of two upstreams; what one of them does not say is not known of both."""
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in NAMES}
    return Usage(**{name: None if None in pair else sum(pair) for name, pair in pairs.items()})


def counted(one: Usage, other: Usage) -> Usage:
    """Add what is known of the numbers of two upstreams, for a client that has to be told some."""
    return Usage(**{name: total(getattr(one, name), getattr(other, name)) for name in NAMES})


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
    return replace(old, **changed)
