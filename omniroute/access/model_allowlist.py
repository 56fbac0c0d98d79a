"""The model allow list of a key."""

from collections.abc import Sequence


def allowed(patterns: Sequence[str], name: str) -> bool:
    """Return whether one of `patterns` matches the whole name; `*` matches any run of characters, also an empty one.

    The name is the requested one, so a combo has to be allowed by its own name.
    """
    return any(_matches(pattern, name) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    """Match the literal pieces between the stars from left to right: linear time, unlike a regular expression."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in middle:
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
