"""Bounds of numbers and texts in the usage history; values outside them are stored and read as unknown."""

from math import isfinite

from omniroute.dialects.token_usage import MOST as MAX_COUNT
from omniroute.dialects.token_usage import count

__all__ = ["MAX_COST", "MAX_COUNT", "MAX_MS", "MAX_TIME", "count", "number", "status", "text"]

MAX_COST = 1e9
"""Highest cost of one exchange, in USD."""
MAX_MS = 1e10
MAX_TIME = 253_402_300_799.0
"""The last second of the year 9999, in seconds of the epoch."""


def number(value: object, most: float) -> float | None:
    """Return the value as a float if it is a finite number from 0 to `most`, else None."""
    if not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return float(value) if isfinite(value) else None


def status(value: object) -> int | None:
    """Return the value if it is an integer from 0 to 999, as an HTTP status is, else None."""
    return value if isinstance(value, int) and 0 <= value <= 999 else None


def text(value: object) -> str:
    """Return a text that SQLite can store: lone surrogates become question marks, None becomes empty."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return "" if value is None else str(value)
